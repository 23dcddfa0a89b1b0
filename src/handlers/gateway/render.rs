//! `gateway.render`: a dialect's script turns the network plan into configuration lines.
//!
//! The script is `scripts/gateway-DIALECT.rhai`. It sees `plan` and `part` (`cloud`, `on-premise`, `bridge`) and answers a list of
//! lines, or throws `bpmn_error("BAD_PLAN", …)`. Each line must fit the grammar: a value of the plan that could be more than
//! a value is `BAD_PLAN` too. Secrets stay references.

use serde::Deserialize;
use serde_json::{Value, json};

use super::line::{Line, parse_all};
use crate::base::time::Timestamp;
use crate::base::variable::from_json;
use crate::handlers::{Answer, Cx, Job, Trouble};
use crate::script::task::{Script, ScriptError};
use crate::script::{Budget, Fact, Surroundings};

#[derive(Deserialize)]
struct Input {
    dialect: String,
    part: String,
    plan: Value,
}

pub(super) async fn render(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let lines = lines(&cx, &input.dialect, &input.part, input.plan)?;
    let lines: Vec<String> = lines.iter().map(Line::to_string).collect();
    Ok(from_json(json!({ "lines": lines })))
}

pub(super) fn lines(cx: &Cx, dialect: &str, part: &str, plan: Value) -> Answer<Vec<Line>> {
    let text = cx.config().scripts.get(&format!("gateway-{dialect}")).ok_or_else(|| {
        Trouble::wrong(format!("there is no dialect {dialect}: its script would be scripts/gateway-{dialect}.rhai"))
    })?;
    let wrong = |words: String| Trouble::wrong(format!("the script of dialect {dialect}: {words}"));
    let script = Script::compile("rhai", text).map_err(|error| wrong(error.to_string()))?;
    let mut around = Around { now: cx.now(), plan, part: part.to_owned() };
    let told = script.run(Budget::Full, &mut around).map_err(|error| match error {
        ScriptError::Bpmn { code, message } => Trouble::error(&code, message.unwrap_or_default()),
        ScriptError::OverBudget | ScriptError::Failed(_) => wrong(error.to_string()),
    })?;
    let Value::Array(list) = told else {
        return Err(wrong("it answered no list of lines".to_owned()));
    };
    let list: Option<Vec<String>> = list.iter().map(|one| one.as_str().map(str::to_owned)).collect();
    let list = list.ok_or_else(|| wrong("a line of its answer is no text".to_owned()))?;
    parse_all(&list).map_err(|words| Trouble::error("BAD_PLAN", words))
}

/// All that the script can see; what it sets stays its own.
struct Around {
    now: Timestamp,
    plan: Value,
    part: String,
}

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<Value> {
        match name {
            "plan" => Some(self.plan.clone()),
            "part" => Some(Value::String(self.part.clone())),
            _ => None,
        }
    }

    fn set_variable(&mut self, name: &str, value: Value) {
        if name == "plan" {
            self.plan = value;
        }
    }

    fn names(&self) -> Vec<String> {
        vec!["plan".to_owned(), "part".to_owned()]
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn fact(&self, _fact: Fact) -> Option<String> {
        None
    }
}
