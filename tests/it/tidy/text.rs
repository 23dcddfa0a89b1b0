//! Small readings of one line of text.

use std::sync::LazyLock;

use regex::Regex;

/// The line without its comment and without the inside of its string literals.
pub(super) fn code_of(line: &str) -> String {
    let mut out = String::new();
    let mut letters = line.chars().peekable();
    let mut in_text = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if in_text => {
                letters.next();
            }
            '"' => {
                in_text = !in_text;
                out.push('"');
            }
            '/' if !in_text && letters.peek() == Some(&'/') => break,
            _ if in_text => {}
            _ => out.push(letter),
        }
    }
    out
}

/// Whether `word` stands in the code as a whole word.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    let letter = |one: char| one.is_alphanumeric() || one == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(letter);
        let after = code[at + word.len()..].chars().next().is_some_and(letter);
        !before && !after
    })
}

pub(super) fn is_sql(line: &str) -> bool {
    static SQL: LazyLock<Regex> = LazyLock::new(|| {
        let words =
            r#""[^"]*\b(SELECT\s[^"]*\sFROM\s|INSERT INTO\s|DELETE FROM\s|UPDATE\s+\w+\s+SET\s|CREATE TABLE\s)"#;
        Regex::new(words).expect("a pattern of ours")
    });
    SQL.is_match(line) && !line.trim_start().starts_with("//")
}

pub(super) fn has_machine_path(line: &str) -> bool {
    static PATHS: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = concat!(r"(^|[^A-Za-z0-9_.}*:-])/(wo", r"rk|ro", r"ot|ho", r"me/[a-z]+)/");
        Regex::new(pattern).expect("a pattern of ours")
    });
    PATHS.is_match(line)
}

pub(super) fn function_name(line: &str) -> Option<String> {
    static FUNCTION: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"^\s*(?:pub(?:\([^)]*\))? )?(?:const )?(?:async )?(?:unsafe )?fn (\w+)";
        Regex::new(pattern).expect("a pattern of ours")
    });
    FUNCTION.captures(line).map(|found| found[1].to_owned())
}

#[test]
fn comments_and_texts_are_not_code() {
    assert_eq!(code_of(r#"let a = "async // \" b"; // tokio"#), r#"let a = ""; "#);
    assert!(has_word("async fn a()", "async") && !has_word("let async_before = 1", "async"));
    assert!(is_sql(r#"query("SELECT a FROM b WHERE c")"#) && !is_sql(r#"say("select a server from the list")"#));
    assert!(has_machine_path(concat!("cd /wo", "rk/main")) && !has_machine_path("https://host/ro\u{6f}t/x"));
}
