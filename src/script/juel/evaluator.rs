//! Tree to value. Bounded by steps: one for each node, and one for each KiB of a variable that is copied.

use super::tree::{Access, Expr, Function, Operator};
use super::{method, moment, operator};
use crate::base::limits::EXPRESSION_STEPS_MAX;
use crate::script::change::Changes;
use crate::script::{EvaluationError, Fact, describe};
use serde_json::Value;

type Outcome = Result<Value, EvaluationError>;

pub(crate) struct Evaluator<'c, 'a> {
    changes: &'c mut Changes<'a>,
    steps_left: u32,
}

impl<'c, 'a> Evaluator<'c, 'a> {
    pub(crate) fn new(changes: &'c mut Changes<'a>) -> Self {
        Self { changes, steps_left: EXPRESSION_STEPS_MAX }
    }

    /// Recursion is bounded by the depth limit of the parser.
    pub(crate) fn evaluate(&mut self, expr: &Expr) -> Outcome {
        self.spend(1)?;
        match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Variable(name) => match self.variable(name)? {
                Some(value) => Ok(value),
                None => Err(EvaluationError::UnknownVariable(name.clone())),
            },
            Expr::Fact(fact) => Ok(self.fact(*fact)),
            Expr::TaskFact(fact, name) => self.task_fact(*fact, name),
            Expr::Call(function, arguments) => self.call(*function, arguments),
            Expr::Path(base, accesses) => self.path(base, accesses),
            Expr::Not(operand) => Ok(Value::Bool(!self.boolean(operand)?)),
            Expr::Negate(operand) => operator::negate(&self.evaluate(operand)?),
            Expr::Empty(operand) => Ok(Value::Bool(operator::is_empty(&self.evaluate(operand)?))),
            Expr::Chain(first, rest) => self.chain(first, rest),
            Expr::Choice(branches) => {
                let [condition, then, otherwise] = branches.as_ref();
                let chosen = if self.boolean(condition)? { then } else { otherwise };
                self.evaluate(chosen)
            }
        }
    }

    fn chain(&mut self, first: &Expr, rest: &[(Operator, Expr)]) -> Outcome {
        let mut left = self.evaluate(first)?;
        for (op, right) in rest {
            left = match op {
                // `a && b || c` are two chains, so what decides here decides the whole chain.
                Operator::And if !operator::boolean(&left)? => return Ok(Value::Bool(false)),
                Operator::Or if operator::boolean(&left)? => return Ok(Value::Bool(true)),
                Operator::And | Operator::Or => Value::Bool(self.boolean(right)?),
                Operator::Equal
                | Operator::NotEqual
                | Operator::Less
                | Operator::LessOrEqual
                | Operator::Greater
                | Operator::GreaterOrEqual
                | Operator::Add
                | Operator::Subtract
                | Operator::Multiply
                | Operator::Divide
                | Operator::Remainder => operator::apply(*op, &left, &self.evaluate(right)?)?,
            };
        }
        Ok(left)
    }

    fn boolean(&mut self, expr: &Expr) -> Result<bool, EvaluationError> {
        operator::boolean(&self.evaluate(expr)?)
    }

    fn path(&mut self, base: &Expr, accesses: &[Access]) -> Outcome {
        let mut value = self.evaluate(base)?;
        for access in accesses {
            self.spend(1)?;
            value = match access {
                Access::Property(name) => property(value, name)?,
                Access::Index(index) => {
                    let index = self.evaluate(index)?;
                    element(value, &index)?
                }
                Access::Method(method, arguments) => {
                    let arguments = self.all(arguments)?;
                    let result = method::call(*method, value, &arguments)?;
                    self.charge(&result)?;
                    result
                }
            };
        }
        Ok(value)
    }

    fn call(&mut self, function: Function, arguments: &[Expr]) -> Outcome {
        let arguments = self.all(arguments)?;
        match (function, arguments.as_slice()) {
            (Function::CurrentUser, []) => Ok(self.fact(Fact::User)),
            (Function::CurrentUserGroups, []) => {
                let groups = self.changes.fact(Fact::Groups).unwrap_or_default();
                let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty());
                Ok(groups.map(Value::from).collect())
            }
            (Function::Now | Function::DateTime, []) => moment::text(self.changes.now()),
            (Function::Json, [text]) => method::read_json(text),
            (Function::GetVariable, [name]) => Ok(self.variable(method::key(name)?)?.unwrap_or(Value::Null)),
            (Function::HasVariable, [name]) => Ok(Value::Bool(self.variable(method::key(name)?)?.is_some())),
            (Function::SetVariable, [name, value]) => {
                self.changes.set(method::key(name)?, value.clone());
                Ok(Value::Null)
            }
            (Function::Edit(kind), [value]) => {
                self.changes.edit(kind, value)?;
                Ok(Value::Null)
            }
            (function, arguments) => {
                unreachable!("the parser counts: {function:?} with {}", arguments.len())
            }
        }
    }

    fn all(&mut self, exprs: &[Expr]) -> Result<Vec<Value>, EvaluationError> {
        exprs.iter().map(|expr| self.evaluate(expr)).collect()
    }

    fn task_fact(&mut self, fact: Option<Fact>, name: &str) -> Outcome {
        if let Some(fact) = fact
            && self.changes.fact(Fact::TaskId).is_some()
        {
            return Ok(self.fact(fact));
        }
        match self.variable("task")? {
            Some(task) => property(task, name),
            None if fact.is_some() => Err(EvaluationError::Failed(format!(
                "task.{name} is known in user tasks only, and there is no variable \"task\" here"
            ))),
            None => Err(EvaluationError::Failed(format!(
                "a task has no property \"{name}\", and there is no variable \"task\" here"
            ))),
        }
    }

    fn fact(&self, fact: Fact) -> Value {
        self.changes.fact(fact).map_or(Value::Null, Value::String)
    }

    fn variable(&mut self, name: &str) -> Result<Option<Value>, EvaluationError> {
        let value = self.changes.variable(name);
        if let Some(value) = &value {
            self.charge(value)?;
        }
        Ok(value)
    }

    fn charge(&mut self, value: &Value) -> Result<(), EvaluationError> {
        self.spend(u32::try_from(weight(value) / 1024).unwrap_or(u32::MAX))
    }

    fn spend(&mut self, steps: u32) -> Result<(), EvaluationError> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(EvaluationError::Budget(format!(
                "more than {EXPRESSION_STEPS_MAX} steps; use a script, or smaller variables"
            ))),
        }
    }
}

/// Roughly the bytes that a copy takes. Depth is bounded where values come in.
fn weight(value: &Value) -> usize {
    const NODE: usize = 32;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => NODE,
        Value::String(text) => NODE + text.len(),
        Value::Array(list) => NODE + list.iter().map(weight).sum::<usize>(),
        Value::Object(map) => map.iter().fold(NODE, |sum, (key, value)| sum + key.len() + weight(value)),
    }
}

fn property(value: Value, name: &str) -> Outcome {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Object(mut map) => Ok(map.remove(name).unwrap_or(Value::Null)),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            let hint = match (&other, name) {
                (Value::String(_), "length") => "; write length()",
                (Value::Array(_), "size" | "length") => "; write size()",
                _ => "",
            };
            Err(EvaluationError::Type(format!("{} has no property \"{name}\"{hint}", describe(&other))))
        }
    }
}

/// `base[index]`: what is not there is null, as for properties.
fn element(value: Value, index: &Value) -> Outcome {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Array(mut list) => {
            let at = operator::whole(index).ok_or_else(|| {
                EvaluationError::Type(format!("a list is indexed by a whole number, not by {}", describe(index)))
            })?;
            match usize::try_from(at) {
                Ok(at) if at < list.len() => Ok(list.swap_remove(at)),
                _ => Ok(Value::Null),
            }
        }
        Value::Object(mut map) => Ok(map.remove(operator::text(index).as_ref()).unwrap_or(Value::Null)),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Err(EvaluationError::Type(format!("{} cannot be indexed", describe(&other))))
        }
    }
}
