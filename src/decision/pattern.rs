//! `matches` with back-references, as in `matches("aA", "(a)\\1", "i")`.
//!
//! DMN 1.5, 10.3.4.3 takes patterns from XPath, which has back-references (XQuery and XPath Functions 3.1, 5.6.1); the
//! evaluator's patterns, which need no backtracking, have none. So calls of `matches` go to a function of ours, which
//! looks at the pattern: one without back-references goes on to the built-in function.

use super::guard::children_mut;
use super::value::arguments;
use crate::base::limits::PATTERN_STEPS_MAX;
use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value as Feel;
use dsntk_feel::{Evaluator, FeelScope, Name};
use dsntk_feel_parser::AstNode;

const MATCHES: &str = "matches";
const PARAMETERS: [&str; 3] = ["input", "pattern", "flags"];
/// Names that nothing in a model can bear: of two parameters, and of three.
const OURS: [&str; 2] = ["matches ( 2", "matches ( 3"];

/// Lets calls of the built-in function go to ours. `is_known` tells the names that something else bears.
pub(super) fn redirect(root: &mut AstNode, is_known: impl Fn(&Name) -> bool) {
    if is_known(&Name::from(MATCHES)) {
        return;
    }
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if let AstNode::FunctionInvocation(function, given) = node {
            let ours = match (&**function, &**given) {
                (AstNode::Name(name), AstNode::PositionalParameters(list)) if name.as_str() == MATCHES => {
                    list.len().checked_sub(2).and_then(|at| OURS.get(at))
                }
                _ => None,
            };
            if let Some(ours) = ours {
                **function = AstNode::Name(Name::from(*ours));
            }
        }
        open.extend(children_mut(node));
    }
}

/// Our functions under their names, for the library.
pub(super) fn functions() -> impl Iterator<Item = (Name, Feel)> {
    (2..=PARAMETERS.len()).map(|count| (Name::from(OURS[count - 2]), function(&PARAMETERS[..count])))
}

fn function(parameters: &'static [&'static str]) -> Feel {
    let (built_in, names) = arguments(MATCHES, parameters);
    let evaluator: Evaluator = Box::new(move |scope: &FeelScope| {
        let value = |name: &str| scope.get_value(&Name::from(name)).unwrap_or(Feel::Null(None));
        let values: Vec<Feel> = parameters.iter().map(|name| value(name)).collect();
        match values.as_slice() {
            [Feel::String(input), Feel::String(pattern)] if has_reference(pattern) => is_match(input, pattern, ""),
            [Feel::String(input), Feel::String(pattern), Feel::String(flags)] if has_reference(pattern) => {
                is_match(input, pattern, flags)
            }
            _ => {
                let mut given = FeelContext::default();
                for (name, value) in parameters.iter().zip(values) {
                    given.set_entry(&Name::from(*name), value);
                }
                built_in(&FeelScope::from(given))
            }
        }
    });
    super::value::native(names, evaluator)
}

/// Whether a pattern refers to one of its groups.
fn has_reference(pattern: &str) -> bool {
    let mut escaped = false;
    pattern.chars().any(|c| {
        let refers = escaped && matches!(c, '1'..='9');
        escaped = c == '\\' && !escaped;
        refers
    })
}

/// Null, with the reason, for flags that XPath does not know, a wrong pattern, and one that takes too long.
fn is_match(input: &str, pattern: &str, flags: &str) -> Feel {
    if let Some(flag) = flags.chars().find(|flag| !"imsx".contains(*flag)) {
        return Feel::Null(Some(format!("matches: the flag '{flag}' does not go with back-references")));
    }
    let pattern = if flags.is_empty() { pattern.to_owned() } else { format!("(?{flags}){pattern}") };
    let compiled = fancy_regex::RegexBuilder::new(&pattern).backtrack_limit(PATTERN_STEPS_MAX).build();
    match compiled.and_then(|compiled| compiled.is_match(input)) {
        Ok(holds) => Feel::Boolean(holds),
        Err(error) => Feel::Null(Some(format!("matches: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use crate::base::time::Timestamp;
    use crate::decision::feel::evaluator;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn eval(text: &str, variables: Value) -> Value {
        let Value::Object(variables) = variables else { panic!("variables are an object") };
        let variables: BTreeMap<String, Value> = variables.into_iter().collect();
        let expression = evaluator().compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        expression.evaluate(&variables, Timestamp(0)).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn back_references_are_followed() {
        let cases = [
            (r#"matches("aA", "(a)\\1", "i")"#, json!(true)),
            (r#"matches("ab", "(a)\\1")"#, json!(false)),
            (r#"matches(word, pattern)"#, json!(true)),
            (r#"if matches(word, "^(.)(.)\\2\\1$") then "mirror" else "no""#, json!("mirror")),
            (r#"matches("aa", "(a)\\1", "y")"#, json!(null)),
            (r#"matches("abc", "b")"#, json!(true)),
            (r#"matches("ABC", "b", "i")"#, json!(true)),
            (r#"matches(pattern: "b", input: "abc")"#, json!(true)),
        ];
        for (text, wanted) in cases {
            let variables = json!({"word": "abba", "pattern": r"^(a)b(b)\1$"});
            assert_eq!(eval(text, variables), wanted, "{text}");
        }
    }

    #[test]
    fn a_pattern_that_takes_for_ever_gives_null() {
        let text = format!(r#"matches("{}!", "^(a|aa)+(b)\\2$")"#, "a".repeat(60));
        assert_eq!(eval(&text, json!({})), json!(null));
    }
}
