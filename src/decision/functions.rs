//! Own functions that cannot call themselves, over whatever detour: endless recursion would end the whole process.
//!
//! The evaluator looks names up where a function is called, so any name may turn out to be the caller. Two rules keep
//! every call finite. A function inside of an expression calls built-in functions only, unless it is the very function
//! that `sort` or `list replace` takes. And business knowledge that calls what it is given, such as `f(1)` with a
//! parameter `f`, is called by its name only and never handed on as a value: so what it is given cannot be itself.

use super::guard::children;
use dsntk_feel::Name;
use dsntk_feel::bif::Bif;
use dsntk_feel_parser::AstNode;
use std::collections::BTreeSet;
use std::str::FromStr;

/// What a text calls and names.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Functions called by a name that the text itself does not give to something.
    pub(super) called: BTreeSet<String>,
    /// Something else is called: a parameter, an entry, a result, or what a built-in function was given.
    pub(super) calls_values: bool,
    /// Names in other places than that of the called.
    pub(super) named: BTreeSet<String>,
}

/// Looks through a tree, with the names that something in the whole text bears.
pub(super) fn uses(root: &AstNode, borne: &BTreeSet<Name>) -> Uses {
    let mut uses = Uses::default();
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        match node {
            AstNode::FunctionInvocation(function, arguments) => {
                match &**function {
                    AstNode::Name(name) if !borne.contains(name) => {
                        uses.calls_values |= is_given_a_value(name.as_str(), arguments);
                        uses.called.insert(name.to_string());
                    }
                    other => {
                        uses.calls_values = true;
                        open.push(other);
                    }
                }
                open.push(arguments);
            }
            AstNode::Name(name) | AstNode::QualifiedNameSegment(name) => {
                uses.named.insert(name.to_string());
            }
            other => open.extend(children(other)),
        }
    }
    uses
}

/// The names that parameters, entries and variables of a text bear.
pub(super) fn borne(root: &AstNode) -> BTreeSet<Name> {
    let mut borne = BTreeSet::new();
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        match node {
            AstNode::ContextEntryKey(name) | AstNode::ParameterName(name) => {
                borne.insert(name.clone());
            }
            AstNode::IterationContextSingle(variable, _)
            | AstNode::IterationContextInterval(variable, _, _)
            | AstNode::QuantifiedContext(variable, _) => {
                if let AstNode::Name(name) = &**variable {
                    borne.insert(name.clone());
                }
            }
            _ => {}
        }
        // The names of arguments are those of the called function's parameters and bear nothing here.
        match node {
            AstNode::NamedParameter(_, value) => open.push(value),
            other => open.extend(children(other)),
        }
    }
    borne
}

/// Whether a function may be written at these places of an invocation's arguments, whatever it calls: only the built-in
/// function itself gets hold of it.
pub(super) fn taken<'a>(function: &AstNode, arguments: &'a AstNode) -> Option<&'a AstNode> {
    let AstNode::Name(name) = function else {
        return None;
    };
    let parameter = match name.as_str() {
        "sort" => "precedes",
        "list replace" => "match",
        _ => return None,
    };
    match arguments {
        AstNode::PositionalParameters(list) => list.get(1),
        AstNode::NamedParameters(list) => list.iter().find_map(|argument| match argument {
            AstNode::NamedParameter(name, value) => match &**name {
                AstNode::ParameterName(name) if name.as_str() == parameter => Some(&**value),
                _ => None,
            },
            _ => None,
        }),
        _ => None,
    }
}

/// Whether a built-in function calls something that is not written at its place.
fn is_given_a_value(function: &str, arguments: &AstNode) -> bool {
    let function = AstNode::Name(Name::from(function));
    !matches!(taken(&function, arguments), None | Some(AstNode::FunctionDefinition(..) | AstNode::Numeric(..)))
}

pub(super) fn is_built_in(name: &str) -> bool {
    Bif::from_str(name).is_ok()
}
