//! FEEL expressions in conditions and mappings, evaluated by dsntk behind the guards.

use super::{guard, names, pattern, thread, value};
use crate::base::feel::{Feel, FeelError, FeelExpression};
use crate::base::limits::{FEEL_CONDITION_DEADLINE_MS, FEEL_DEADLINE_MS};
use crate::base::time::Timestamp;
use dsntk_feel::{Evaluator, FeelScope, Name};
use dsntk_feel_parser::AstNode;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The evaluator for `script::install_feel`.
pub fn evaluator() -> Arc<dyn Feel> {
    Arc::new(Dsntk)
}

struct Dsntk;

impl Feel for Dsntk {
    fn compile(&self, text: &str) -> Result<Arc<dyn FeelExpression>, FeelError> {
        let text = text.to_owned();
        let deadline = Duration::from_millis(FEEL_DEADLINE_MS);
        let expression = thread::run(deadline, move || {
            prepare(&value::library_scope(), &text)
                .map(|prepared| Expression { text: text.into(), prepared: Arc::new(prepared) })
        })??;
        Ok(Arc::new(expression))
    }
}

struct Expression {
    text: Arc<str>,
    prepared: Arc<Evaluator>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl FeelExpression for Expression {
    fn evaluate(&self, variables: &BTreeMap<String, Value>, now: Timestamp) -> Result<Value, FeelError> {
        for (name, value) in variables {
            guard::value(name, value)?;
        }
        let context = value::context(variables, &BTreeMap::new());
        let text = Arc::clone(&self.text);
        let prepared = Arc::clone(&self.prepared);
        let reads_anew = variables.iter().any(|(name, value)| needs_scope(name, value, &text));
        let deadline = Duration::from_millis(FEEL_CONDITION_DEADLINE_MS);
        thread::run(deadline, move || {
            let scope = value::scope(now, context)?;
            let result = match reads_anew {
                true => prepare(&scope, &text)?(&scope),
                false => prepared(&scope),
            };
            value::to_json(&result)
        })?
    }
}

/// Names of more than a word are known from the variables only, so the text must be read with them.
fn needs_scope(name: &str, value: &Value, text: &str) -> bool {
    let mut open = vec![(name, value)];
    while let Some((name, value)) = open.pop() {
        if !name.is_empty() && text.contains(name) && !names::is_word(name) {
            return true;
        }
        match value {
            Value::Object(map) => open.extend(map.iter().map(|(key, value)| (key.as_str(), value))),
            Value::Array(list) => open.extend(list.iter().map(|value| ("", value))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

/// Reads an expression and makes it ready; to be called on a thread of this module's.
pub(super) fn prepare(scope: &FeelScope, text: &str) -> Result<Evaluator, FeelError> {
    let tree = expression(scope, text)?;
    Ok(dsntk_feel_evaluator::prepare(&tree))
}

/// Reads an expression. The leading `=` of some modelers is left out.
pub(super) fn expression(scope: &FeelScope, text: &str) -> Result<AstNode, FeelError> {
    let text = text.trim();
    let text = text.strip_prefix('=').unwrap_or(text);
    read(scope, text, |scope| dsntk_feel_parser::parse_expression(scope, text, false).map_err(|e| syntax(text, &e)))
}

/// Reads the tests of a cell, such as `> 100` or `"a","b"`.
pub(super) fn tests(scope: &FeelScope, text: &str) -> Result<AstNode, FeelError> {
    read(scope, text, |scope| dsntk_feel_parser::parse_unary_tests(scope, text, false).map_err(|e| syntax(text, &e)))
}

/// With the names of the scope first, then with every word of the text taken for a name.
fn read(
    scope: &FeelScope,
    text: &str,
    parse: impl Fn(&FeelScope) -> Result<AstNode, FeelError>,
) -> Result<AstNode, FeelError> {
    guard::text(text)?;
    let declared = parse(scope);
    if let Ok(tree) = &declared {
        guard::tree(tree, |name| is_declared(scope, name))?;
    }
    let mut tree = match declared {
        Ok(tree) if !names::are_doubtful(&tree, scope) => tree,
        _ => {
            names::declare(scope, text);
            let guessed = parse(scope);
            // The words are known to the parser only: as values they would hide the variables.
            scope.pop();
            guessed?
        }
    };
    guard::tree(&tree, |name| is_declared(scope, name))?;
    pattern::redirect(&mut tree, |name| is_declared(scope, name));
    Ok(tree)
}

/// Whether something bears the name; functions in the scope are the library's.
fn is_declared(scope: &FeelScope, name: &Name) -> bool {
    scope.get_value(name).is_some_and(|value| !matches!(value, dsntk_feel::values::Value::FunctionDefinition(..)))
}

fn syntax(text: &str, error: &dyn fmt::Display) -> FeelError {
    FeelError::Syntax(format!(
        "\"{}\" is no FEEL: {error}; a name with blanks in it is written get value(context, \"the name\")",
        text.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp(1_795_341_600_000); // 2026-11-22T10:00:00Z

    fn eval(text: &str, variables: Value) -> Result<Value, FeelError> {
        let Value::Object(map) = variables else { panic!("an object") };
        evaluator().compile(text)?.evaluate(&map.into_iter().collect(), NOW)
    }

    #[test]
    fn expressions_over_variables() {
        let around = json!({
            "amount": 150.5, "status": "ok", "items": [{"p": 1}, {"p": 2}, {"p": 3}], "nul": null,
            "order": {"total sum": 12}, "first-name": "Ann", "list": [3, 4], "time": {"n": 1}
        });
        let cases = [
            ("amount > 100 and status = \"ok\"", json!(true)),
            ("= amount > 100", json!(true)),
            ("items[p > 1].p", json!([2, 3])),
            ("sum(items.p)", json!(6)),
            ("for i in items return i.p * 2", json!([2, 4, 6])),
            ("if nul = null then 1 else 2", json!(1)),
            ("some x in items satisfies x.p = 3", json!(true)),
            ("get value(order, \"total sum\") + 1", json!(13)),
            ("count(list) + list[1] + time.n", json!(6)),
            ("1 instance of number", json!(true)),
            ("amount-1", json!(149.5)),
            ("date and time(\"2026-11-22T10:00:00Z\").year", json!(2026)),
            ("first-name", json!("Ann")),
            ("0.1 + 0.2", json!(0.3)),
            ("{a: 1, b: a + 1}", json!({"a": 1, "b": 2})),
            ("sort([3, 1, 2], function(a, b) a < b)", json!([1, 2, 3])),
            ("duration(\"P1DT2H\") + duration(\"PT5M\")", json!("P1DT2H5M")),
            ("date(\"2026-11-22\") + duration(\"P1M\")", json!("2026-12-22")),
            ("day of year(date(\"2026-02-01\"))", json!(32)),
            ("round down(n: 5.57, scale: 1)", json!(5.5)),
            ("round up(5.57, 40)", json!(5.57)),
            ("round half up(5.57, 6177)", json!(null)),
            ("round half down(\"a\", 40)", json!(null)),
            ("(function(n) round up(n, 0))(1.5)", json!(2)),
            ("amount - list[1] > 3 and status in (\"ok\", \"warn\")", json!(true)),
            ("@\"P1D\" instance of days and time duration", json!(true)),
            ("(function(n) abs(n) + 1)(-3)", json!(4)),
            ("{f: function(a, b) sort([b, a], function(x, y) x < y), r: f(1, 2)}.r", json!([1, 2])),
            ("sort(list: [1, 3, 2], precedes: function(a, b) a > b)", json!([3, 2, 1])),
            ("missing", json!(null)),
            ("missing > 3", json!(null)),
            ("amount in [100..200]", json!(true)),
        ];
        for (text, wanted) in cases {
            assert_eq!(eval(text, around.clone()), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_modelers_offer_beyond_the_standard() {
        let around = json!({"v": null, "t": "  x ", "list": []});
        let cases = [
            ("is defined(v)", json!(false)),
            ("get or else(v, 3)", json!(3)),
            ("trim(t)", json!("x")),
            ("is empty(list)", json!(true)),
            ("is blank(t)", json!(false)),
        ];
        for (text, wanted) in cases {
            assert_eq!(eval(text, around.clone()), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn time_is_the_engines() {
        assert_eq!(eval("now()", json!({})), Ok(json!("2026-11-22T10:00:00Z")));
        assert_eq!(eval("today()", json!({})), Ok(json!("2026-11-22")));
        assert_eq!(eval("now() > date and time(\"2026-11-22T09:00:00Z\")", json!({})), Ok(json!(true)));
    }

    #[test]
    fn what_is_no_feel_is_refused() {
        for text in ["1 +", "", "a b c d e +", "if x then"] {
            assert!(matches!(eval(text, json!({})), Err(FeelError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn hostile_expressions_are_refused_or_end() {
        let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
        let hostile = [
            deep("(", ")", 4000),
            deep("[", "]", 4000),
            deep("-", "", 4000),
            deep("- ", "", 4000),
            deep("if true then ", " else 1", 60).repeat(10),
            deep("not(", ")", 1000),
            format!("{}1", "1+".repeat(3000)),
            "1 ".repeat(5000),
            "{f: function(n) f(n+1), r: f(1)}.r".into(),
            "(function(f) f(f))(function(f) f(f))".into(),
            "{l: append([], function(f) f(f)), r: l[1](l[1])}".into(),
            "{f: function(a, b) sort(a, b), r: f([f, f], f)}".into(),
            "{abs: function(n) abs(n), r: abs(1)}".into(),
            "(for abs in [function(n) abs(n)] return abs(1))".into(),
            "sort([1, 2], function(a, b) {f: function(f) f(f), r: f(f)}.r)".into(),
            "(function(x) external {java: {class: \"java.lang.Math\", method signature: \"abs(int)\"}})(1)".into(),
            "count(for i in 1..300000 return i)".into(),
            "count(for i in 1..n return i)".into(),
            "count(for i in 1..60, j in 1..60, k in 1..60 return i)".into(),
            "some i in 1..5000 satisfies i = 0".into(),
            "string length(string(9**9**9**9))".into(),
            "matches(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\", \"(a+)+$\")".into(),
        ];
        for text in hostile {
            // That each comes to its end is the point: without limits some would run for years.
            let outcome = eval(&text, json!({"n": 3000}));
            println!("{:50} {outcome:?}", text.chars().take(50).collect::<String>());
        }
        assert!(matches!(eval("x", json!({"x": vec![0; 1001]})), Err(FeelError::Limit(_))));
    }
}
