//! Mail: once per activation, in the programme's thread, to people and groups; headers cannot be injected.

use serde_json::{Value, json};
use tempfile::tempdir;
use transhume::demo::counterpart::Options;
use transhume::handlers::Outcome;

use super::{Outside, START};

fn mail() -> Value {
    json!({
        "to": "lead@customer.example",
        "groups": ["network-lead"],
        "subject": "Grüße: gateway ready\r\nBcc: evil@example.com",
        "text": "The gateway <gw-1> is ready.\n.\nGo on.",
        "thread": "programme-1",
        "kind": "order-complete",
    })
}

#[tokio::test]
async fn a_repeat_is_no_second_mail() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let first = outside.attempt("notify.mail", mail(), "a").await;
    outside.clock.pass(1000);
    assert_eq!(outside.attempt("notify.mail", mail(), "a").await, first);
    let mails = outside.counterparts.mails().unwrap();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].at.0, START);
    assert_eq!(mails[0].to, ["lead@customer.example", "network-lead@customer.example"]);
    assert_eq!(mails[0].subject, "Grüße: gateway ready Bcc: evil@example.com");
    let text = &mails[0].message;
    for wanted in [
        "Auto-Submitted: auto-generated",
        "X-Transhume-Kind: order-complete",
        "References: <thread-",
        "In-Reply-To: <thread-",
        "text/plain",
        "text/html",
        "The gateway &lt;gw-1&gt; is ready.<br>",
        "\r\n.\r\nGo on.",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    assert!(!text.contains("\r\nBcc:"), "{text}");
    outside.attempt("notify.mail", mail(), "b").await;
    assert_eq!(outside.counterparts.mails().unwrap().len(), 2);
}

#[tokio::test]
async fn a_dead_server_is_tried_again_and_a_bad_address_is_not() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let mut input = mail();
    input["to"] = json!(["a@b.example\r\nRCPT TO:<x@y>"]);
    let bad = outside.run("notify.mail", input.clone()).await;
    assert!(matches!(&bad, Outcome::Fail(words) if words.contains("no mail address")), "{bad:?}");
    input["to"] = json!([]);
    input["groups"] = json!([]);
    let nobody = outside.run("notify.mail", input).await;
    assert!(matches!(&nobody, Outcome::Fail(words) if words.contains("no receiver")), "{nobody:?}");
    assert!(outside.counterparts.mails().unwrap().is_empty());
}
