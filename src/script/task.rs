//! Script tasks: a Rhai script whose result and changes go into variables.
//!
//! The variables that are visible at the element are variables of the script; assigning one changes it in the scope that
//! holds it. `set_variable("name", value)` makes a new one, `get_variable` and `has_variable` ask by name,
//! `throw bpmn_error("CODE", "message")` raises a BPMN error.

use super::sandbox::{Budget, Program, RunError};
use super::{CompileError, Surroundings};
use serde_json::Value;
use std::sync::Arc;

/// A compiled script; cheap to clone.
#[derive(Clone, Debug)]
pub struct Script {
    program: Arc<Program>,
    source: Arc<str>,
}

/// Nothing has changed when a run ends so.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScriptError {
    /// The script threw it: a word of the model, not a failure.
    #[error("BPMN error {code}{}", .message.as_ref().map(|message| format!(": {message}")).unwrap_or_default())]
    Bpmn { code: String, message: Option<String> },
    /// Inline: run it with the full budget. In full: it does too much.
    #[error("the script exceeds its budget of operations, time or memory: split it, or do the work in a handler")]
    OverBudget,
    #[error("{0}")]
    Failed(String),
}

impl Script {
    /// `format` is the `scriptFormat` of the model; only Rhai runs here.
    pub fn compile(format: &str, text: &str) -> Result<Script, CompileError> {
        if !format.trim().eq_ignore_ascii_case("rhai") {
            return Err(CompileError::new(
                format!("scripts of format \"{format}\" do not run here: write scriptFormat=\"rhai\""),
                None,
            ));
        }
        Ok(Script { program: Arc::new(Program::compile(text)?), source: text.into() })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn run(&self, budget: Budget, around: &mut dyn Surroundings) -> Result<Value, ScriptError> {
        self.program.run(budget, around).map_err(|error| match error {
            RunError::Bpmn { code, message } => ScriptError::Bpmn { code, message },
            RunError::OverBudget(_) => ScriptError::OverBudget,
            RunError::UnknownVariable(name) => ScriptError::Failed(format!(
                "there is no variable \"{name}\" here: make it with set_variable(\"{name}\", …), or ask with has_variable(\"{name}\")"
            )),
            RunError::Failed(what) => ScriptError::Failed(what),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::Fixed;
    use serde_json::json;

    fn run(text: &str, around: &mut Fixed) -> Result<Value, ScriptError> {
        let script = Script::compile("rhai", text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut copy = Fixed { variables: around.variables.clone(), in_task: around.in_task, edits: Vec::new() };
        let inline = script.run(Budget::Inline, &mut copy);
        let full = script.run(Budget::Full, around);
        if inline != Err(ScriptError::OverBudget) {
            assert_eq!(inline, full, "{text}");
            assert_eq!(copy.variables, around.variables, "{text}");
        }
        full
    }

    fn around() -> Fixed {
        Fixed::new(
            json!({"n": 3, "t": "abc", "nul": null, "list": [1, 2], "server": {"gb": 4, "name": "web"}, "one": 1.0}),
        )
    }

    #[test]
    fn variables_are_read_and_assigned() {
        let mut here = around();
        let result = run("n += 1; server.gb *= 2; list.push(n); nul = server.name; n", &mut here);
        assert_eq!(result, Ok(json!(4)));
        assert_eq!(here.variables["n"], json!(4));
        assert_eq!(here.variables["server"], json!({"gb": 8, "name": "web"}));
        assert_eq!(here.variables["list"], json!([1, 2, 4]));
        assert_eq!(here.variables["nul"], json!("web"));
        assert_eq!(here.variables["one"], json!(1.0));
        assert_eq!(here.variables.len(), 6, "what the script names for itself stays its own");
    }

    #[test]
    fn own_names_hide_variables_and_stay_inside() {
        let mut here = around();
        assert_eq!(run("let n = 10; n += 1; let fresh = n; fresh", &mut here), Ok(json!(11)));
        assert_eq!(here.variables, around().variables);
    }

    #[test]
    fn changes_in_closures_and_blocks_count() {
        let mut here = around();
        assert_eq!(run("for i in 0..5 { n += i; } if n > 5 { t = t.to_upper(); } t", &mut here), Ok(json!("ABC")));
        assert_eq!(here.variables["n"], json!(13));
        let mut here = around();
        assert_eq!(run("let add = |x| { n += x; }; add.call(4); n", &mut here), Ok(json!(7)));
        assert_eq!(here.variables["n"], json!(7), "captured variables are the variables");
    }

    #[test]
    fn variables_by_name() {
        let mut here = around();
        let text = "set_variable(\"fresh\", #{a: [1, ()]}); [get_variable(\"t\"), get_variable(\"zzz\"), has_variable(\"fresh\"), has_variable(\"q\")]";
        assert_eq!(run(text, &mut here), Ok(json!(["abc", null, true, false])));
        assert_eq!(here.variables["fresh"], json!({"a": [1, null]}));
    }

    #[test]
    fn facts_and_time() {
        let mut here = around();
        assert_eq!(
            run("execution.processBusinessKey + \" \" + now()", &mut here),
            Ok(json!("wave-1 2026-11-22T10:00:00.000Z"))
        );
        assert!(run("execution.id = 4;", &mut here).is_err());
    }

    #[test]
    fn a_user_task_is_changed_from_inside_only() {
        let mut here = around();
        here.in_task = true;
        let text = "set_assignee(\"ann\"); set_priority(n + 1); set_due_date(\"PT1H\"); task.id + task.assignee";
        assert_eq!(run(text, &mut here), Ok(json!("17:9mary")));
        let hour = crate::base::time::Timestamp(here.now().0 + 3_600_000);
        use crate::script::TaskEdit::{Assignee, Due, Priority};
        assert_eq!(here.edits, [Assignee(Some("ann".into())), Priority(4), Due(Some(hour))]);
        let error = run("set_assignee(\"ann\")", &mut around()).unwrap_err().to_string();
        assert!(error.contains("in user tasks only"), "{error}");
        let error = run("n = 9; set_due_date(\"soon\")", &mut here).unwrap_err().to_string();
        assert!(error.contains("neither a date nor a period"), "{error}");
        assert_eq!(here.variables, around().variables, "nothing has changed");
    }

    #[test]
    fn a_bpmn_error_is_thrown() {
        let mut here = around();
        let thrown = run("n = 9; if n > 1 { throw bpmn_error(\"LATE\", `after ${n}`); }", &mut here);
        assert_eq!(thrown, Err(ScriptError::Bpmn { code: "LATE".into(), message: Some("after 9".into()) }));
        assert_eq!(here.variables, around().variables, "nothing has changed");
        let inside = run("fn check(x) { throw bpmn_error(\"X\"); } check(1)", &mut here);
        assert_eq!(inside, Err(ScriptError::Bpmn { code: "X".into(), message: None }));
        assert_eq!(
            run(
                "let seen = (); try { throw bpmn_error(\"X\", \"m\"); } catch (e) { seen = e.code + e.message; } seen",
                &mut here
            ),
            Ok(json!("Xm"))
        );
        assert!(
            matches!(run("bpmn_error(\"X\")", &mut here), Err(ScriptError::Failed(text)) if text.contains("throw"))
        );
    }

    #[test]
    fn a_failed_script_has_changed_nothing() {
        let mut here = around();
        for text in [
            "n = 9; throw \"no\";",
            "n = 9; set_variable(\"q\", 1); missing",
            "n = 9; 1 / 0",
            "n = 9; q = 1",
            "n = 9; loop {}",
            "n = 0.0 / 0.0",
        ] {
            assert!(run(text, &mut here).is_err(), "{text}");
            assert_eq!(here.variables, around().variables, "{text}");
        }
        let error = run("q = 1;", &mut here).unwrap_err().to_string();
        assert!(error.contains("make it with set_variable(\"q\", …)"), "{error}");
    }

    #[test]
    fn functions_that_take_callbacks_need_the_full_budget() {
        let script = Script::compile("rhai", "list.filter(|x| x > 1)").unwrap();
        assert_eq!(script.run(Budget::Inline, &mut around()), Err(ScriptError::OverBudget));
        assert_eq!(script.run(Budget::Full, &mut around()), Ok(json!([2])));
        let script = Script::compile("rhai", "let order = #{map: 3}; list.sort(); order.map + order . map").unwrap();
        assert_eq!(script.run(Budget::Inline, &mut around()), Ok(json!(6)), "properties of these names do not count");
    }

    #[test]
    fn a_long_run_is_for_the_full_budget() {
        let script = Script::compile("rhai", "let x = 0; for i in 0..8000 { x += 1; } x").unwrap();
        assert_eq!(script.run(Budget::Inline, &mut around()), Err(ScriptError::OverBudget));
        // The full budget has a real deadline, which a busy machine may miss now and then.
        assert!((0..20).any(|_| script.run(Budget::Full, &mut around()) == Ok(json!(8000))));
        let long = Script::compile("rhai", "text.len()").unwrap();
        let mut here = Fixed::new(json!({"text": "x".repeat(9000)}));
        assert_eq!(long.run(Budget::Inline, &mut here), Err(ScriptError::OverBudget));
        assert_eq!(long.run(Budget::Full, &mut here), Ok(json!(9000)));
    }

    #[test]
    fn texts_have_the_usual_functions() {
        let cases = [
            ("\"a,b\".split(\",\")", json!(["a", "b"])),
            ("[\"a\", 1].join(\"-\")", json!("a-1")),
            ("let s = \" x \"; s.trim(); s", json!("x")),
            ("let s = \"a.b\"; s.replace(\".\", \"::\"); s", json!("a::b")),
            ("\"b\" in \"abc\"", json!(true)),
            ("\"äbc\".len() + \"äbc\".sub_string(1).len", json!(5)),
            ("\"abc\".sub_string(-2, 1)", json!("b")),
            ("\"abc\".index_of(\"c\")", json!(2)),
            ("\"n=\" + 1 + \" \" + 2.5 + true + ()", json!("n=1 2.5true")),
            ("1 + \"a\"", json!("1a")),
            ("`${n} ${t} ${list}`", json!("3 abc [1,2]")),
            ("server.to_string() + [\"a\", 1.0, ()]", json!("{\"gb\":4,\"name\":\"web\"}[\"a\",1.0,null]")),
            (
                "[list == [1, 2.0], list != [1], 2 in list, [2] in [1, [2]], server == #{gb: 4, name: \"web\"}]",
                json!([true, true, true, true, true]),
            ),
            ("[() in [()], 'c' in ['c'], true in [false], \"1\" in [1]]", json!([true, true, false, false])),
            ("execution.to_string().contains(\"wave-1\")", json!(true)),
            ("7 / 2", json!(3)),
            ("n.to_string() + 'c'", json!("3c")),
            ("server.zzz", json!(null)),
            ("t == \"abc\" && nul == ()", json!(true)),
        ];
        for (text, wanted) in cases {
            assert_eq!(run(text, &mut around()), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_does_not_compile_is_refused_with_its_place() {
        let error = Script::compile("rhai", "let a = 1;\nlet b = ;").unwrap_err();
        assert_eq!(error.offset, Some(19), "{error}");
        assert!(Script::compile("groovy", "1").unwrap_err().message.contains("scriptFormat=\"rhai\""));
        for text in ["eval(\"1\")", "import \"x\" as y;", "Fn(\"filter\")", "export n;"] {
            assert!(Script::compile("rhai", text).is_err(), "{text}");
        }
    }
}
