//! The grammar of a configuration line: `set` or `delete`, then words of harmless characters, or values in single quotes. A
//! device's shell reads these lines, so nothing else may pass: no other quote, no separator, no line break, no expansion.

use crate::handlers::{Answer, Cx, Trouble, secret};

const WORDS_MAX: usize = 40;
const VALUE_CHARACTERS_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    delete: bool,
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    text: String,
    quoted: bool,
}

impl Line {
    /// A line without verb is meant as `set`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = split(text.trim())?;
        let delete = words.first().is_some_and(|word| word.text == "delete" && !word.quoted);
        if delete || words.first().is_some_and(|word| word.text == "set" && !word.quoted) {
            words.remove(0);
        }
        if words.len() < 2 {
            return Err(format!("`{text}` is no configuration line: write for example set system host-name 'gw-1'"));
        }
        Ok(Self { delete, words })
    }

    /// As it is sent: secrets in place of their references.
    pub(super) fn sent(&self, cx: &Cx) -> Answer<String> {
        let mut line = String::from(if self.delete { "delete" } else { "set" });
        for word in &self.words {
            line.push(' ');
            if !secret::is_reference(&word.text) {
                line.push_str(&word.written());
                continue;
            }
            let secret = cx.secret(&word.text)?;
            let text = secret.expose();
            if text.is_empty() || !text.chars().all(in_quotes) {
                return Err(Trouble::wrong(format!(
                    "{} holds a character that the gateway's command line cannot take: use letters, digits and common signs",
                    word.text
                )));
            }
            line.push_str(&format!("'{text}'"));
        }
        Ok(line)
    }

    /// The line that takes away what this one makes: the whole named thing, where it has a name of its own.
    pub(super) fn removal(&self) -> Self {
        let kept = self.root_words().unwrap_or(self.words.len());
        Self { delete: true, words: self.words[..kept].to_vec() }
    }

    /// Paths whose first words name a thing that is ours as a whole; `*` is the name.
    fn root_words(&self) -> Option<usize> {
        const ROOTS: &[&str] = &[
            "interfaces ethernet * vif *",
            "interfaces vxlan *",
            "interfaces bridge *",
            "interfaces tunnel *",
            "interfaces l2tpv3 *",
            "interfaces dummy *",
            "interfaces vti *",
            "vpn ipsec esp-group *",
            "vpn ipsec ike-group *",
            "vpn ipsec authentication psk *",
            "vpn ipsec site-to-site peer *",
            "nat source rule *",
            "nat destination rule *",
            "protocols static route *",
        ];
        let fits = |root: &&&str| {
            let mut steps = root.split(' ').zip(&self.words);
            root.split(' ').count() <= self.words.len() && steps.all(|(step, word)| step == "*" || step == word.text)
        };
        ROOTS.iter().find(fits).map(|root| root.split(' ').count())
    }

    /// The name of the bridge that this line is about.
    pub(super) fn bridge(&self) -> Option<&str> {
        match &self.words[..] {
            [interfaces, bridge, name, ..] if interfaces.text == "interfaces" && bridge.text == "bridge" => {
                Some(&name.text)
            }
            _ => None,
        }
    }
}

impl Word {
    fn written(&self) -> String {
        if self.quoted { format!("'{}'", self.text) } else { self.text.clone() }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.delete { "delete" } else { "set" })?;
        self.words.iter().try_for_each(|word| write!(f, " {}", word.written()))
    }
}

pub(super) fn parse_all(lines: &[String]) -> Result<Vec<Line>, String> {
    let lines = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(Line::parse).collect()
}

fn split(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(inner) => {
                let (value, after) =
                    inner.split_once('\'').ok_or_else(|| format!("`{text}` has a quote that does not end"))?;
                (Word { text: value.to_owned(), quoted: true }, after)
            }
            None => {
                let end = rest.find(' ').unwrap_or(rest.len());
                (Word { text: rest[..end].to_owned(), quoted: false }, &rest[end..])
            }
        };
        if !after.is_empty() && !after.starts_with(' ') {
            return Err(format!("`{text}`: a quoted value is a word of its own"));
        }
        let fits = if word.quoted { in_quotes } else { bare };
        if let Some(bad) = word.text.chars().find(|c| !fits(*c)) {
            return Err(format!("`{text}` holds {bad:?}, which a configuration line cannot have there"));
        }
        if word.text.chars().count() > VALUE_CHARACTERS_MAX || words.len() == WORDS_MAX {
            return Err(format!(
                "`{}…` is too long for a configuration line",
                &text.chars().take(40).collect::<String>()
            ));
        }
        words.push(word);
        rest = after.trim_start_matches(' ');
    }
    Ok(words)
}

fn bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./:@+=,%".contains(c)
}

/// Between single quotes a shell takes everything as it is; the terminal's line editor does not take controls so.
fn in_quotes(c: char) -> bool {
    (' '..='~').contains(&c) && !"'\\!?".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_written_alike() {
        for line in ["set vpn ipsec interface 'eth0'", "delete interfaces bridge br241 stp", "set a b '(c; d)'"] {
            assert_eq!(Line::parse(line).unwrap().to_string(), line);
        }
        assert_eq!(Line::parse("interfaces bridge br1").unwrap().to_string(), "set interfaces bridge br1");
    }

    #[test]
    fn what_a_shell_could_take_for_more_is_refused() {
        let lines = [
            "set a b; reboot",
            "set a b\nreboot",
            "set a $(id)",
            "set a `id`",
            "set a b | c",
            "set a \"b\"",
            "set a 'b",
            "set a 'b'c",
            "set a > b",
            "set a ~ b&",
            "set a 'b\tc'",
            "set a 'it\u{7}s'",
            "set a",
            "",
            "run reboot",
            "set a b\\",
            "set a 'x?'",
            "set a *",
        ];
        for line in lines {
            let parsed = Line::parse(line);
            // `run reboot` reads as two words of a path, which is harmless: it is sent as `set run reboot`
            assert!(parsed.is_err() || parsed.unwrap().to_string().starts_with("set "), "{line}");
            assert!(Line::parse(line).is_err() || line == "run reboot", "{line}");
        }
    }

    #[test]
    fn removal_takes_the_whole_thing() {
        let removed = |line: &str| Line::parse(line).unwrap().removal().to_string();
        assert_eq!(removed("set interfaces bridge br241 member interface vxlan241"), "delete interfaces bridge br241");
        assert_eq!(
            removed("set interfaces ethernet eth1 vif 241 description 'x'"),
            "delete interfaces ethernet eth1 vif 241"
        );
        assert_eq!(removed("set vpn ipsec interface 'eth0'"), "delete vpn ipsec interface 'eth0'");
    }
}
