//! Which words of a FEEL text are names. The parser takes `a-b`, `order.total` and `x in` for one name unless it knows
//! `a`, `order` and `x`, and variables are not known before they are there. So where a text, read with the declared names
//! alone, has names in it that nobody declared and that look like more than a name, it is read again with each of its
//! words known. Names with blanks or signs in them are known only where they are declared, or from the variables at hand.

use super::guard::children;
use dsntk_feel::bif::Bif;
use dsntk_feel::context::FeelContext;
use dsntk_feel::{FeelScope, Name};
use dsntk_feel_parser::AstNode;
use std::str::FromStr;

/// Words that are never names.
const KEYWORDS: [&str; 21] = [
    "and",
    "between",
    "else",
    "every",
    "external",
    "false",
    "for",
    "function",
    "if",
    "in",
    "instance",
    "item",
    "null",
    "of",
    "or",
    "return",
    "satisfies",
    "some",
    "then",
    "true",
    "not",
];

/// Types, which the parser must read as such where a text asks for them with `instance of`.
const TYPES: [&str; 7] = ["Any", "Null", "boolean", "number", "string", "date", "time"];

/// Functions whose names are words in a row; known as a whole, they come before their words.
const FUNCTIONS_OF_WORDS: [&str; 34] = [
    "context merge",
    "context put",
    "day of week",
    "day of year",
    "distinct values",
    "ends with",
    "finished by",
    "get entries",
    "get value",
    "index of",
    "insert before",
    "list contains",
    "list replace",
    "lower case",
    "met by",
    "month of year",
    "overlaps after",
    "overlaps before",
    "round down",
    "round half down",
    "round half up",
    "round up",
    "started by",
    "starts with",
    "string join",
    "string length",
    "substring after",
    "substring before",
    "upper case",
    "week of year",
    "years and months duration",
    "get or else",
    "is defined",
    "is empty",
];

/// Makes the words of a text known in a scope for parsing.
pub(super) fn declare(scope: &FeelScope, text: &str) {
    let mut known = FeelContext::default();
    let words = words(text);
    let types = words.contains(&"instance");
    let literal = |word: &str| ["date", "time", "duration"].contains(&word) && is_literal(text, word);
    for word in &words {
        let is_other = KEYWORDS.contains(word) || literal(word) || (types && TYPES.contains(word));
        if !is_other {
            known.set_null(Name::from(*word));
        }
    }
    for name in FUNCTIONS_OF_WORDS.iter().filter(|name| contains(text, name)) {
        known.set_null(Name::from(*name));
    }
    scope.push(known);
}

/// Whether the tree has names that look like more than a name and that nothing knows.
pub(super) fn are_doubtful(root: &AstNode, scope: &FeelScope) -> bool {
    let mut open = vec![(root, false)];
    while let Some((node, is_property)) = open.pop() {
        if let AstNode::Name(name) | AstNode::QualifiedNameSegment(name) = node {
            let known = || scope.get_value(name).is_some() || Bif::from_str(name.as_str()).is_ok();
            if is_doubtful(name.as_str(), is_property) && !known() {
                return true;
            }
        }
        let is_path = matches!(node, AstNode::Path(..));
        // Of a path the second child is the property.
        open.extend(children(node).into_iter().enumerate().map(|(at, child)| (child, is_path && at == 1)));
    }
    false
}

/// A property may have blanks in its name, for its owner's names are not known; anything may not have signs.
fn is_doubtful(name: &str, is_property: bool) -> bool {
    let words = words(name);
    let signs = name.contains(['.', '+', '-', '*', '/', '\'']);
    let keywords = words.iter().any(|word| KEYWORDS.contains(word) && words.len() > 1);
    signs || keywords || (words.len() > 1 && !is_property)
}

/// Whether the word begins a literal such as `date("…")` somewhere in the text.
fn is_literal(text: &str, word: &str) -> bool {
    contains(text, "date and time")
        || text.match_indices(word).any(|(at, _)| text[at + word.len()..].trim_start().starts_with('('))
}

/// The words of a text outside of its strings.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut begun = None;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let is_word = !quoted && (c == '_' || c.is_alphabetic() || (begun.is_some() && c.is_numeric()));
        match (begun, is_word) {
            (None, true) => begun = Some(at),
            (Some(start), false) => {
                words.push(&text[start..at]);
                begun = None;
            }
            (None, false) | (Some(_), true) => {}
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    words
}

/// Whether the text has these words in a row, whatever blanks are between them.
pub(super) fn contains(text: &str, name: &str) -> bool {
    let wanted: Vec<&str> = name.split(' ').collect();
    words(text).windows(wanted.len()).any(|window| window == wanted)
}

/// Whether a name is one word.
pub(super) fn is_word(name: &str) -> bool {
    words(name) == [name]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_outside_of_strings() {
        assert_eq!(words("a-b1 + \"c \\\" d\" + ä_e.f 3g"), ["a", "b1", "ä_e", "f", "g"]);
        assert!(contains("string   length(x)", "string length"));
        assert!(is_word("amount_2") && !is_word("first-name") && !is_word("2a"));
    }
}
