//! Words to tree, by operator precedence. Unknown functions and methods are refused here, with their place.
//!
//! Depth counts what nests: brackets, arguments, unary operators, choices. Operators of one precedence and property
//! paths are lists, so their length is bounded by the length of the text only.

use super::lexer::{Lexer, Token};
use super::tree::{
    Access, EXECUTION_FACTS, EXTERNAL_TASK, Expr, FUNCTIONS, Function, METHODS, Operator, SCOPE_METHODS, TASK_FACTS,
};
use crate::base::limits::EXPRESSION_DEPTH_MAX;
use crate::script::edit::EDITS;
use crate::script::{CompileError, Fact};
use serde_json::Value;

/// Parses one expression from `at`, the character after `${`; gives it and the position behind its `}`.
pub(crate) fn parse(chars: &[char], at: usize) -> Result<(Expr, usize), CompileError> {
    let mut parser = Parser { lexer: Lexer::new(chars, at), token: Token::End, at, depth: 0 };
    parser.advance()?;
    if parser.token == Token::End {
        return Err(parser.error("the expression is empty: write something between the braces"));
    }
    let expr = parser.expression()?;
    if parser.token != Token::End {
        return Err(parser.unexpected("an operator or }"));
    }
    Ok((expr, parser.lexer.position()))
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The word looked at, and where it begins.
    token: Token,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn expression(&mut self) -> Result<Expr, CompileError> {
        self.deeper(|parser| {
            let condition = parser.binary(1)?;
            if !parser.take("?")? {
                return Ok(condition);
            }
            let then = parser.expression()?;
            parser.expect(":")?;
            let otherwise = parser.expression()?;
            Ok(Expr::Choice(Box::new([condition, then, otherwise])))
        })
    }

    /// Operators of precedence `least` and higher. In one loop precedences only fall, so chains nest at most six deep.
    fn binary(&mut self, least: u8) -> Result<Expr, CompileError> {
        let mut left = self.unary()?;
        // The precedence of the chain that `left` is, if it was begun in this loop.
        let mut chained = None;
        while let Token::Sign(sign) = self.token {
            let Some((operator, precedence)) = Operator::of(sign).filter(|(_, p)| *p >= least) else {
                break;
            };
            self.advance()?;
            let right = self.binary(precedence + 1)?;
            left = match left {
                Expr::Chain(first, mut rest) if chained == Some(precedence) => {
                    rest.push((operator, right));
                    Expr::Chain(first, rest)
                }
                left => Expr::Chain(Box::new(left), vec![(operator, right)]),
            };
            chained = Some(precedence);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, CompileError> {
        let Token::Sign(sign @ ("!" | "-" | "empty")) = self.token else {
            return self.path();
        };
        self.advance()?;
        let operand = Box::new(self.deeper(Self::unary)?);
        Ok(match sign {
            "!" => Expr::Not(operand),
            "-" => Expr::Negate(operand),
            _ => Expr::Empty(operand),
        })
    }

    fn path(&mut self) -> Result<Expr, CompileError> {
        let base = self.primary()?;
        let mut accesses = Vec::new();
        loop {
            if self.take("[")? {
                accesses.push(Access::Index(self.expression()?));
                self.expect("]")?;
            } else if self.take(".")? {
                accesses.push(self.member()?);
            } else if accesses.is_empty() {
                return Ok(base);
            } else {
                return Ok(Expr::Path(Box::new(base), accesses));
            }
        }
    }

    /// What follows a dot.
    fn member(&mut self) -> Result<Access, CompileError> {
        let at = self.at;
        let name = self.name("a name after the dot")?;
        if self.token != Token::Sign("(") {
            return Ok(Access::Property(name));
        }
        let arguments = self.arguments()?;
        let Some((_, least, most, method)) = METHODS.iter().find(|method| method.0 == name) else {
            return Err(refused(at, "method", &name, METHODS.iter().map(|m| m.0)));
        };
        count(at, &name, *least, *most, arguments.len())?;
        Ok(Access::Method(*method, arguments))
    }

    fn primary(&mut self) -> Result<Expr, CompileError> {
        let at = self.at;
        match std::mem::replace(&mut self.token, Token::End) {
            Token::Number(number) => {
                self.advance()?;
                Ok(Expr::Literal(number))
            }
            Token::Text(text) => {
                self.advance()?;
                Ok(Expr::Literal(Value::String(text)))
            }
            Token::Name(name) => {
                self.advance()?;
                self.named(at, name)
            }
            Token::Sign("(") => {
                self.advance()?;
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            other @ (Token::Sign(_) | Token::End) => {
                self.token = other;
                Err(self.unexpected("a value"))
            }
        }
    }

    fn named(&mut self, at: usize, name: String) -> Result<Expr, CompileError> {
        if self.token == Token::Sign("(") {
            return self.function(at, &name);
        }
        if self.token == Token::Sign(":") && name == "fn" {
            return Err(CompileError::new(
                "functions with a prefix are not known here: use methods, such as name.length()",
                Some(at),
            ));
        }
        match name.as_str() {
            "true" => Ok(Expr::Literal(Value::Bool(true))),
            "false" => Ok(Expr::Literal(Value::Bool(false))),
            "null" => Ok(Expr::Literal(Value::Null)),
            "execution" => self.execution(at),
            "task" if self.token == Token::Sign(".") => self.task(),
            "authenticatedUserId" => Ok(Expr::Fact(Fact::User)),
            "externalTask" => self.external_task(at),
            "instanceof" => Err(CompileError::new("instanceof is not known here", Some(at))),
            _ => Ok(Expr::Variable(name)),
        }
    }

    fn function(&mut self, at: usize, name: &str) -> Result<Expr, CompileError> {
        let arguments = self.arguments()?;
        let Some((_, wanted, function)) = FUNCTIONS.iter().find(|f| f.0 == name) else {
            return Err(refused(at, "function", name, FUNCTIONS.iter().map(|f| f.0)));
        };
        count(at, name, *wanted, *wanted, arguments.len())?;
        Ok(Expr::Call(*function, arguments))
    }

    /// `execution.…`: a fact or a method on variables, nothing else.
    fn execution(&mut self, at: usize) -> Result<Expr, CompileError> {
        if !self.take(".")? {
            return Err(CompileError::new(
                "execution is no value by itself: write execution.processInstanceId, execution.getVariable('x'), …",
                Some(at),
            ));
        }
        let at = self.at;
        let name = self.name("a name after the dot")?;
        if self.token != Token::Sign("(") {
            return match fact(&EXECUTION_FACTS, &name) {
                Some(fact) => Ok(Expr::Fact(fact)),
                None => {
                    let known = EXECUTION_FACTS.iter().map(|f| f.0);
                    Err(refused(at, "property of execution", &name, known))
                }
            };
        }
        let arguments = self.arguments()?;
        if let Some(expr) = scope_method(at, &name, &arguments)? {
            return Ok(expr);
        }
        match getter(&EXECUTION_FACTS, &name) {
            Some(fact) => {
                count(at, &name, 0, 0, arguments.len())?;
                Ok(Expr::Fact(fact))
            }
            None => {
                let known = SCOPE_METHODS.iter().map(|m| m.0);
                let known = known.chain(["getProcessInstanceId", "getProcessBusinessKey"]);
                Err(refused(at, "method of execution", &name, known))
            }
        }
    }

    /// `task.…`, the dot is looked at. Outside a user task a variable may have this name, so properties stay open.
    fn task(&mut self) -> Result<Expr, CompileError> {
        self.expect(".")?;
        let at = self.at;
        let name = self.name("a name after the dot")?;
        if self.token != Token::Sign("(") {
            return Ok(Expr::TaskFact(fact(&TASK_FACTS, &name), name));
        }
        let arguments = self.arguments()?;
        if let Some(expr) = scope_method(at, &name, &arguments)? {
            return Ok(expr);
        }
        if let Some((_, _, kind)) = EDITS.iter().find(|edit| edit.0 == name) {
            count(at, &name, 1, 1, arguments.len())?;
            return Ok(Expr::Call(Function::Edit(*kind), arguments));
        }
        if let Some(fact) = getter(&TASK_FACTS, &name) {
            count(at, &name, 0, 0, arguments.len())?;
            return Ok(Expr::TaskFact(Some(fact), property_of(&name)));
        }
        match METHODS.iter().find(|method| method.0 == name) {
            Some((_, least, most, method)) => {
                count(at, &name, *least, *most, arguments.len())?;
                let access = vec![Access::Method(*method, arguments)];
                Ok(Expr::Path(Box::new(Expr::Variable("task".into())), access))
            }
            None => {
                let known = SCOPE_METHODS.iter().map(|m| m.0);
                let known = known.chain(["getId", "getName", "getAssignee"]).chain(EDITS.iter().map(|edit| edit.0));
                Err(refused(at, "method of task", &name, known))
            }
        }
    }

    /// `externalTask.…`: a property, or the getter of one.
    fn external_task(&mut self, begin: usize) -> Result<Expr, CompileError> {
        if !self.take(".")? {
            let words = "externalTask is no value by itself: write externalTask.errorMessage, externalTask.retries, …";
            return Err(CompileError::new(words, Some(begin)));
        }
        let at = self.at;
        let name = self.name("a name after the dot")?;
        let property = if self.token == Token::Sign("(") {
            let arguments = self.arguments()?;
            count(at, &name, 0, 0, arguments.len())?;
            property_of(&name)
        } else {
            name
        };
        if !EXTERNAL_TASK.contains(&property.as_str()) {
            return Err(refused(at, "property of externalTask", &property, EXTERNAL_TASK.into_iter()));
        }
        Ok(Expr::Path(Box::new(Expr::Variable("externalTask".into())), vec![Access::Property(property)]))
    }

    /// `( … )` with the opening bracket looked at.
    fn arguments(&mut self) -> Result<Vec<Expr>, CompileError> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        if self.take(")")? {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if self.take(")")? {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }

    fn name(&mut self, wanted: &str) -> Result<String, CompileError> {
        match std::mem::replace(&mut self.token, Token::End) {
            Token::Name(name) => {
                self.advance()?;
                Ok(name)
            }
            other => {
                self.token = other;
                Err(self.unexpected(wanted))
            }
        }
    }

    fn advance(&mut self) -> Result<(), CompileError> {
        (self.token, self.at) = self.lexer.next()?;
        Ok(())
    }

    fn take(&mut self, sign: &str) -> Result<bool, CompileError> {
        let found = matches!(self.token, Token::Sign(s) if s == sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &str) -> Result<(), CompileError> {
        if self.take(sign)? {
            return Ok(());
        }
        Err(self.unexpected(sign))
    }

    fn deeper(&mut self, parse: impl FnOnce(&mut Self) -> Result<Expr, CompileError>) -> Result<Expr, CompileError> {
        if self.depth == EXPRESSION_DEPTH_MAX {
            return Err(
                self.error(format!("the expression nests deeper than {EXPRESSION_DEPTH_MAX}: split it over variables"))
            );
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn error(&self, message: impl Into<String>) -> CompileError {
        CompileError::new(message, Some(self.at))
    }

    fn unexpected(&self, wanted: &str) -> CompileError {
        let found = match &self.token {
            Token::Number(number) => format!("the number {number}"),
            Token::Text(text) => format!("the text '{text}'"),
            Token::Name(name) => format!("\"{name}\""),
            Token::Sign(sign) => format!("\"{sign}\""),
            Token::End => "the end of the expression".into(),
        };
        self.error(format!("{found} stands where {wanted} is expected"))
    }
}

fn scope_method(at: usize, name: &str, arguments: &[Expr]) -> Result<Option<Expr>, CompileError> {
    let Some((_, wanted, function)) = SCOPE_METHODS.iter().find(|m| m.0 == name) else {
        return Ok(None);
    };
    count(at, name, *wanted, *wanted, arguments.len())?;
    Ok(Some(Expr::Call(*function, arguments.to_vec())))
}

fn fact(facts: &[(&str, Fact)], name: &str) -> Option<Fact> {
    facts.iter().find(|f| f.0 == name).map(|f| f.1)
}

/// The fact that `getX` reads: `x` of the table.
fn getter(facts: &[(&str, Fact)], name: &str) -> Option<Fact> {
    name.strip_prefix("get")?;
    fact(facts, &property_of(name))
}

/// The property that `getX` reads: `x`.
fn property_of(getter: &str) -> String {
    let mut chars = getter.strip_prefix("get").unwrap_or(getter).chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

fn count(at: usize, name: &str, least: usize, most: usize, given: usize) -> Result<(), CompileError> {
    if (least..=most).contains(&given) {
        return Ok(());
    }
    let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
    Err(CompileError::new(format!("{name} takes {wanted} arguments, here are {given}"), Some(at)))
}

fn refused<'a>(at: usize, kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> CompileError {
    // Each plusX has its minusX.
    let known: Vec<&str> = known.filter(|name| !name.starts_with("minus")).collect();
    CompileError::new(format!("there is no {kind} \"{name}\"; there are: {}", known.join(", ")), Some(at))
}
