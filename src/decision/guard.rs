//! What is refused before the evaluator sees it: too long, too deep, too many, and functions that could recurse.
//!
//! The evaluator overflows its stack on deep input, which ends the whole process; it cannot be interrupted in a long
//! range; and it calls Java functions over HTTP. So the text is checked before it is parsed, and the tree before it is
//! prepared.

use super::functions;
use crate::base::feel::FeelError;
use crate::base::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, FEEL_LIST_MAX, JSON_DEPTH_MAX};
use dsntk_feel::Name;
use dsntk_feel_parser::AstNode;
use serde_json::Value;

/// A sum of many terms is a deep tree of shallow text.
const TREE_DEPTH_MAX: usize = 256;

/// Checks a text before parsing: its length, and how deep brackets and leading signs nest.
pub(super) fn text(text: &str) -> Result<(), FeelError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(FeelError::Limit(format!(
            "an expression may have {EXPRESSION_BYTES_MAX} bytes, this one has {}",
            text.len()
        )));
    }
    let mut depth = 0_usize;
    let mut signs = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    for c in text.chars() {
        if quoted {
            quoted = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => quoted = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        signs = match c {
            '-' | '<' | '>' | '=' => signs + 1,
            c if c.is_whitespace() => signs,
            _ => 0,
        };
        if depth.max(signs) > EXPRESSION_DEPTH_MAX {
            return Err(FeelError::Limit(format!("the expression nests deeper than {EXPRESSION_DEPTH_MAX}")));
        }
    }
    Ok(())
}

/// Checks a tree before it is prepared. Iterative, because depth is what it looks for. `is_known` tells the names that
/// something bears already: they are no built-in functions.
pub(super) fn tree(root: &AstNode, is_known: impl Fn(&Name) -> bool) -> Result<(), FeelError> {
    let borne = functions::borne(root);
    let is_built_in = |name: &str| {
        let own = Name::from(name);
        functions::is_built_in(name) && !borne.contains(&own) && !is_known(&own)
    };
    // With each node its depth, and whether it may be a function that calls others.
    let mut open = vec![(root, 1_usize, false)];
    while let Some((node, depth, may_call)) = open.pop() {
        if depth > TREE_DEPTH_MAX {
            return Err(FeelError::Limit(format!("the expression nests deeper than {TREE_DEPTH_MAX}")));
        }
        check(node)?;
        if matches!(node, AstNode::FunctionDefinition(..)) && !may_call {
            let uses = functions::uses(node, &borne);
            if uses.calls_values || !uses.called.iter().all(|name| is_built_in(name)) {
                return Err(FeelError::Syntax(
                    "an own function may call built-in functions only, so that none can call itself, unless it is \
                     the function that sort or list replace takes"
                        .into(),
                ));
            }
        }
        let taken = match node {
            AstNode::FunctionInvocation(function, arguments) if is_name(function, is_built_in) => {
                functions::taken(function, arguments)
            }
            _ => None,
        };
        let below = children(node).into_iter().flat_map(|child| match child {
            // Arguments are looked at here, where the function that takes them is known.
            AstNode::PositionalParameters(_) | AstNode::NamedParameters(_) => arguments(child),
            child => vec![child],
        });
        open.extend(below.map(|child| (child, depth + 1, taken.is_some_and(|taken| std::ptr::eq(taken, child)))));
    }
    Ok(())
}

fn arguments(list: &AstNode) -> Vec<&AstNode> {
    let arguments = children(list).into_iter();
    arguments
        .map(|argument| match argument {
            AstNode::NamedParameter(_, value) => value,
            value => value,
        })
        .collect()
}

fn check(node: &AstNode) -> Result<(), FeelError> {
    match node {
        AstNode::List(list) | AstNode::ExpressionList(list) if list.len() > FEEL_LIST_MAX => Err(too_many()),
        AstNode::IterationContextInterval(_, start, end) => of_length(start, end),
        AstNode::IterationContextSingle(_, single) => match &**single {
            AstNode::Range(start, end) => of_length(start, end),
            _ => Ok(()),
        },
        AstNode::FunctionBody(_, true) => {
            Err(FeelError::Syntax("external functions (Java, PMML) do not run here: use a handler".into()))
        }
        _ => Ok(()),
    }
}

fn is_name(function: &AstNode, holds: impl Fn(&str) -> bool) -> bool {
    matches!(function, AstNode::Name(name) if holds(name.as_str()))
}

fn too_many() -> FeelError {
    FeelError::Limit(format!("lists and ranges may have {FEEL_LIST_MAX} elements"))
}

/// The length of a range that is iterated over, where both ends are written as numbers.
fn of_length(start: &AstNode, end: &AstNode) -> Result<(), FeelError> {
    match (literal(start), literal(end)) {
        (Some(start), Some(end)) if (end - start).abs() >= FEEL_LIST_MAX as f64 => Err(too_many()),
        _ => Ok(()),
    }
}

fn literal(node: &AstNode) -> Option<f64> {
    match node {
        AstNode::IntervalStart(value, _) | AstNode::IntervalEnd(value, _) => match &**value {
            AstNode::Neg(positive) => number(positive).map(|n| -n),
            positive => number(positive),
        },
        AstNode::Neg(positive) => number(positive).map(|n| -n),
        positive => number(positive),
    }
}

fn number(node: &AstNode) -> Option<f64> {
    match node {
        AstNode::Numeric(before, after, sign, exponent) => match exponent.is_empty() {
            true => format!("{before}.{after}0").parse().ok(),
            false => format!("{before}.{after}0e{sign}{exponent}").parse().ok(),
        },
        _ => None,
    }
}

/// The parts of a node, to look at or to change: one table for both.
macro_rules! parts {
    ($name:ident, $node:ty, $all:ident) => {
        pub(super) fn $name(node: $node) -> Vec<$node> {
            use AstNode as N;
            match node {
                N::Add(a, b) | N::And(a, b) | N::ContextEntry(a, b) | N::ContextTypeEntry(a, b) | N::Div(a, b) => {
                    vec![a, b]
                }
                N::Eq(a, b) | N::Every(a, b) | N::Exp(a, b) | N::Filter(a, b) | N::For(a, b) => vec![a, b],
                N::FormalParameter(a, b) | N::FunctionDefinition(a, b) | N::FunctionInvocation(a, b) => {
                    vec![a, b]
                }
                N::FunctionType(a, b) | N::Ge(a, b) | N::Gt(a, b) | N::In(a, b) | N::InstanceOf(a, b) => {
                    vec![a, b]
                }
                N::IterationContextSingle(a, b) | N::Le(a, b) | N::Lt(a, b) | N::Mul(a, b) => vec![a, b],
                N::NamedParameter(a, b) | N::Nq(a, b) | N::Or(a, b) | N::Out(a, b) | N::Path(a, b) => {
                    vec![a, b]
                }
                N::QuantifiedContext(a, b) | N::Range(a, b) | N::Some(a, b) | N::Sub(a, b) => vec![a, b],
                N::Between(a, b, c) | N::If(a, b, c) | N::IterationContextInterval(a, b, c) => {
                    vec![a, b, c]
                }
                N::CommaList(list) | N::Context(list) | N::ContextType(list) | N::ExpressionList(list) => {
                    list.$all().collect()
                }
                N::FormalParameters(list) | N::IterationContexts(list) | N::List(list) => list.$all().collect(),
                N::NamedParameters(list) | N::NegatedList(list) | N::ParameterTypes(list) => list.$all().collect(),
                N::PositionalParameters(list) | N::QualifiedName(list) | N::QuantifiedContexts(list) => {
                    list.$all().collect()
                }
                N::EvaluatedExpression(a) | N::FunctionBody(a, _) | N::IntervalEnd(a, _) | N::IntervalStart(a, _) => {
                    vec![a]
                }
                N::ListType(a) | N::Neg(a) | N::RangeType(a) | N::Satisfies(a) | N::UnaryGe(a) | N::UnaryGt(a) => {
                    vec![a]
                }
                N::UnaryLe(a) | N::UnaryLt(a) | N::UnaryEq(a) | N::UnaryNe(a) => vec![a],
                N::At(_) | N::Boolean(_) | N::ContextEntryKey(_) | N::ContextTypeEntryKey(_) | N::FeelType(_) => vec![],
                N::Irrelevant | N::Name(_) | N::Null | N::Numeric(..) | N::ParameterName(_) => vec![],
                N::QualifiedNameSegment(_) | N::String(_) => vec![],
            }
        }
    };
}

parts!(children, &AstNode, iter);
parts!(children_mut, &mut AstNode, iter_mut);

/// Checks a variable before it is handed over.
pub(super) fn value(name: &str, value: &Value) -> Result<(), FeelError> {
    let mut open = vec![(value, 1_usize)];
    while let Some((value, depth)) = open.pop() {
        if depth > JSON_DEPTH_MAX {
            return Err(FeelError::Limit(format!("the variable \"{name}\" nests deeper than {JSON_DEPTH_MAX}")));
        }
        match value {
            Value::Array(list) if list.len() > FEEL_LIST_MAX => {
                return Err(FeelError::Limit(format!(
                    "the variable \"{name}\" holds a list of {}: FEEL takes {FEEL_LIST_MAX} elements",
                    list.len()
                )));
            }
            Value::Array(list) => open.extend(list.iter().map(|value| (value, depth + 1))),
            Value::Object(map) => open.extend(map.values().map(|value| (value, depth + 1))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}
