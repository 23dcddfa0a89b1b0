//! A command is a template of the model; what comes from data goes in as single-quoted words, so no value is ever syntax.
//!
//! `{name}` stands for a parameter, `{{` and `}}` for braces, `${…}` is left to the shell. A placeholder inside quotes, in a
//! here-document or in shell arithmetic would not be a word of its own: such a template is refused. A value with NUL is
//! refused, one with a line break too, unless the task says that it may have one.

use std::collections::BTreeMap;

/// One word for a POSIX shell, whatever it holds.
pub(crate) fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The command with its parameters in place.
pub(crate) fn fill(template: &str, parameters: &BTreeMap<String, String>, line_breaks: bool) -> Result<String, String> {
    let mut filled = String::with_capacity(template.len());
    let mut state = State::default();
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c == '{' || c == '}' {
            if let Some(more) = after.strip_prefix(c) {
                filled.push(c);
                state.note(c);
                rest = more;
                continue;
            }
            match placeholder(c, after).filter(|_| !state.escaped && state.last != Some('$')) {
                Some((name, more)) => {
                    filled.push_str(&value(name, parameters, line_breaks, &state, template)?);
                    state.note('x');
                    rest = more;
                    continue;
                }
                None if c == '{' && state.last != Some('$') && after.starts_with(|c: char| c.is_alphabetic()) => {
                    return Err(format!(
                        "the template has `{{` without a parameter's name and `}}` after it: write `{{{{` for the character ({})",
                        excerpt(rest)
                    ));
                }
                None => {}
            }
        }
        filled.push(c);
        state.note(c);
        rest = after;
    }
    Ok(filled)
}

/// The name in `{name}`, and what follows.
fn placeholder(c: char, after: &str) -> Option<(&str, &str)> {
    let (name, more) = after.split_once('}').filter(|_| c == '{')?;
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    (first && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some((name, more))
}

fn value(
    name: &str,
    parameters: &BTreeMap<String, String>,
    line_breaks: bool,
    state: &State,
    template: &str,
) -> Result<String, String> {
    if let Some(place) = state.closed_to_words(template) {
        return Err(format!(
            "{{{name}}} stands {place}, where it would not be one word: put it outside, it is quoted anyway"
        ));
    }
    let text = parameters.get(name).ok_or_else(|| {
        format!("the template needs a parameter `{name}`; write `{{{{{name}}}}}` if the braces are meant")
    })?;
    if text.contains('\0') {
        return Err(format!("the parameter `{name}` holds a NUL character, which no command can take"));
    }
    if !line_breaks && text.contains(['\n', '\r']) {
        return Err(format!(
            "the parameter `{name}` holds a line break: allow it by the input lineBreaks, or send it as stdin"
        ));
    }
    Ok(word(text))
}

/// Where in the shell's quoting the reader stands.
#[derive(Default)]
struct State {
    quote: Option<char>,
    escaped: bool,
    backticks: bool,
    comment: bool,
    last: Option<char>,
    /// Open brackets of `$((…))`.
    arithmetic: u32,
    before: Option<char>,
}

impl State {
    fn note(&mut self, c: char) {
        let escaped = std::mem::take(&mut self.escaped);
        match (self.quote, c) {
            _ if self.comment => self.comment = c != '\n',
            _ if escaped => {}
            (Some('\''), '\'') => self.quote = None,
            (Some('\''), _) => {}
            (_, '\\') => self.escaped = true,
            (Some(open), c) if open == c => self.quote = None,
            (None, '\'' | '"') => self.quote = Some(c),
            (_, '`') => self.backticks = !self.backticks,
            (None, '#') if self.last.is_none_or(|last| last.is_whitespace() || last == ';') => self.comment = true,
            (_, '(') if self.last == Some('(') => self.arithmetic += 1,
            (_, ')') if self.last == Some(')') => self.arithmetic = self.arithmetic.saturating_sub(1),
            _ => {}
        }
        self.before = self.last;
        self.last = Some(c);
    }

    fn closed_to_words(&self, template: &str) -> Option<&'static str> {
        if self.quote.is_some() {
            return Some("inside quotes");
        }
        if self.backticks {
            return Some("inside backticks");
        }
        if self.escaped {
            return Some("behind a backslash");
        }
        if self.comment {
            return Some("in a comment");
        }
        if self.arithmetic > 0 {
            return Some("in arithmetic");
        }
        if template.contains("<<") {
            return Some("beside a here-document");
        }
        None
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn filled(template: &str, value: &str) -> Result<String, String> {
        fill(template, &BTreeMap::from([("x".to_owned(), value.to_owned())]), true)
    }

    #[test]
    fn placeholders_become_words() {
        assert_eq!(filled("ls {x}", "a b").unwrap(), "ls 'a b'");
        assert_eq!(filled("a{x}b", "'").unwrap(), r"a''\'''b");
        assert_eq!(filled("awk '{{print $1}}' {x}", "f").unwrap(), "awk '{print $1}' 'f'");
        assert_eq!(filled("echo ${HOME} {x}", "f").unwrap(), "echo ${HOME} 'f'");
        assert_eq!(filled("echo $(cat {x})", "f").unwrap(), "echo $(cat 'f')");
        assert_eq!(filled("{ ls; }", "f").unwrap(), "{ ls; }");
        assert_eq!(filled("echo 'a' \"b\" {x} # c", "f").unwrap(), "echo 'a' \"b\" 'f' # c");
    }

    #[test]
    fn a_placeholder_that_is_no_word_is_refused() {
        let templates = [
            "echo \"{x}\"",
            "echo '{x}'",
            "echo `cat {x}`",
            "echo \\{x}",
            "echo a # {x}",
            "echo $(( {x} + 1 ))",
            "cat <<E\n{x}\nE",
            "echo {y}",
            "echo {x y}",
            "echo \"a\\\"{x}\"",
        ];
        for template in templates {
            assert!(filled(template, "v").is_err(), "{template}");
        }
        let one = BTreeMap::from([("x".to_owned(), "a\nb".to_owned())]);
        assert!(fill("echo {x}", &one, false).unwrap_err().contains("line break"));
        assert!(filled("echo {x}", "a\0b").is_err());
    }

    /// Payloads that shells have been tricked with, and any other text: each comes out as it went in.
    fn comes_through(text: &str) {
        let command = filled("printf %s {x}", text).unwrap();
        for shell in ["sh", "dash", "bash"] {
            let Ok(out) = Command::new(shell).args(["-c", &command]).output() else {
                continue;
            };
            assert_eq!(String::from_utf8_lossy(&out.stdout), text, "{shell}: {command}");
            assert!(out.stderr.is_empty(), "{shell}: {command}");
        }
    }

    #[test]
    fn payloads_come_through_as_text() {
        let payloads = [
            "$(id)",
            "`id`",
            "; id",
            "| id",
            "|| id",
            "&& id",
            "& id",
            "> /tmp/x",
            "< /etc/passwd",
            "'; id; '",
            "\"; id; \"",
            "$HOME",
            "${HOME}",
            "$((1+1))",
            "*",
            "?",
            "[a]",
            "~",
            "\\",
            "\\'",
            "''",
            "'",
            "\"",
            "!!",
            "#x",
            "-n",
            "--",
            "{a,b}",
            "%s",
            "\t",
            "\n",
            "a\nid\n",
            "\u{1b}[31m",
            "ü✓",
            "$'\\x41'",
            "<(id)",
            "(id)",
            "a=b id",
            "`",
            "",
        ];
        for payload in payloads {
            comes_through(payload);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
        #[test]
        fn any_text_comes_through(text in "[^\0]{0,40}") {
            comes_through(&text);
        }
    }
}
