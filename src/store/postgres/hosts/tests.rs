//! Lists of hosts as people write them, and what each of them says.

use super::*;

fn hosts(address: &str) -> Vec<(String, String)> {
    listed(address).expect("is read").hosts
}

fn addresses(address: &str) -> Vec<String> {
    hosts(address).into_iter().map(|(_, one)| one).collect()
}

fn refused(address: &str) -> String {
    Hosts::read(address).expect_err("is refused").to_string()
}

#[test]
fn each_host_of_a_list_is_an_address() {
    let all = hosts("postgres://ada@h1:5432,h2:5433,h3/db?target_session_attrs=read-write&sslmode=disable");
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["h1:5432", "h2:5433", "h3"], "without the user");
    assert_eq!(all[0].1, "postgres://ada@h1:5432/db?sslmode=disable");
    assert_eq!(all[1].1, "postgres://ada@h2:5433/db?sslmode=disable");
    assert_eq!(all[2].1, "postgres://ada@h3/db?sslmode=disable");
    let read = Hosts::read("postgres://ada@h1:5432,h2:5433/db").expect("is read");
    assert_eq!((read.each[1].options.get_host(), read.each[1].options.get_port()), ("h2", 5433));
    assert!(read.chosen);
}

#[test]
fn one_port_is_for_all_and_several_are_for_each() {
    assert_eq!(addresses("postgres://h1,h2/db?port=6432"), ["postgres://h1:6432/db", "postgres://h2:6432/db"]);
    assert_eq!(addresses("postgres://h1,h2/db?port=1,2"), ["postgres://h1:1/db", "postgres://h2:2/db"]);
    assert!(refused("postgres://h1,h2,h3/db?port=1,2").ends_with("3 hosts, but 2 ports: one for each, or one for all"));
}

#[test]
fn folders_of_sockets_are_hosts() {
    let all = hosts("postgres:///db?host=/run/a,/run/b&port=5432,5433&user=ada");
    assert_eq!(all[0].0, "/run/a:5432");
    assert_eq!(all[1].1, "postgres://localhost/db?user=ada&host=%2Frun%2Fb&port=5433");
    let read = Hosts::read("postgres://ada@localhost:7000/db?host=/run/a,/run/b").expect("is read");
    let second = &read.each[1].options;
    assert_eq!((second.get_socket(), second.get_port()), (Some(&"/run/b".into()), 7000));
}

#[test]
fn six_is_in_brackets_and_signs_stay_encoded() {
    let all = addresses("postgres://a%40b:p%2Cw@[::1]:5432,[fe80::2],h3:1/db%20x");
    assert_eq!(all[0], "postgres://a%40b:p%2Cw@[::1]:5432/db%20x");
    assert_eq!(all[1], "postgres://a%40b:p%2Cw@[fe80::2]/db%20x");
    let read = Hosts::read("postgres://a%40b:p%2Cw@[::1]:5432,h3:1/db%20x").expect("is read");
    let options = &read.each[0].options;
    assert_eq!((options.get_username(), options.get_database()), ("a@b", Some("db x")));
    assert_eq!(addresses("postgres:///db?host=::1,h2&port=9"), ["postgres://[::1]:9/db", "postgres://h2:9/db"]);
}

#[test]
fn one_host_stays_as_it_was_unless_it_must_take_writes() {
    let plain = "postgres://postgres@localhost:5432/db?host=/tmp/x";
    assert_eq!(
        listed(plain).expect("is read"),
        Listed { hosts: vec![("localhost:5432".into(), plain.into())], chosen: false }
    );
    let asked = listed("postgres://ada@h1/db?target_session_attrs=primary").expect("is read");
    assert_eq!((asked.hosts[0].1.as_str(), asked.chosen), ("postgres://ada@h1/db", true));
}

#[test]
fn bad_lists_say_what_is_wrong_and_no_password() {
    assert!(refused("postgres://u:secret@h1,,h3/db").ends_with("host 2 has no name"));
    assert!(refused("postgres://h1,h2:99999/db").ends_with("\"99999\" is no port: 1 to 65535"));
    assert!(refused("postgres://h1,h2:/db").ends_with("\"\" is no port: 1 to 65535"));
    assert!(refused("postgres://h1,h2/db?port=x").ends_with("\"x\" is no port: 1 to 65535"));
    assert!(refused("postgres://[::1,h2/db").contains("has no \"]\""));
    assert!(refused("postgres://[::1]x,h2/db").ends_with("\"x\" stands behind \"[::1]\""));
    assert!(refused("postgres://h1,h2/db?target_session_attrs=any").contains("needs \"read-write\""));
    let words = refused("postgres://u:secret@h 1,h2/db");
    assert!(words.contains("h 1") && !words.contains("secret"), "{words}");
}

#[tokio::test]
async fn the_error_names_what_each_host_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    drop(taken);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = format!("postgres:///db?host=127.0.0.1,{}&port={port}&user=ada", folder.path().display());
    let hosts = Hosts::read(&address).expect("is read");
    let words = hosts.connect().await.expect_err("nobody is there").to_string();
    assert!(words.contains(&format!("127.0.0.1:{port}: ")), "{words}");
    assert!(words.contains(&format!("{}:{port}: ", folder.path().display())), "{words}");
    assert!(words.contains("no host takes writes: "), "{words}");
}

#[tokio::test]
async fn who_finds_another_host_moves_all() {
    let hosts = Hosts::read("postgres://h1,h2,h3/db").expect("is read");
    let writing = hosts.clone().with(|options| options.application_name("writer"));
    let turn = hosts.turn();
    writing.found(0);
    assert_eq!(hosts.turn(), turn, "the first is where everybody begins");
    hosts.doubt(turn);
    assert_eq!(writing.now.first.load(Ordering::SeqCst), 1, "the next one is asked first");
    writing.found(2);
    assert_eq!((hosts.turn(), hosts.now.first.load(Ordering::SeqCst)), (turn + 1, 2));
    hosts.moved(turn).await;
    hosts.doubt(turn);
    assert_eq!(hosts.now.first.load(Ordering::SeqCst), 2, "doubts about a former host are old news");
}
