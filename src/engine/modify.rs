//! Modification: an operator moves the tokens of a running instance by hand.
//!
//! Not BPMN's own; the words and what they mean are those of Camunda 7 ("Process Instance Modification"). The instructions
//! are done in their order. One that cannot be done rejects the command, and then nothing has changed (`execute` keeps the
//! instance as it was).

use crate::base::id::{ElementId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::limits::NESTING_DEPTH_MAX;
use crate::base::variable::Variables;
use crate::engine::cancel;
use crate::engine::command::{Doomed, Instruction, Placing, Rejection};
use crate::engine::definition::{FlowIx, NodeIx};
use crate::engine::event_sub_process;
use crate::engine::incident::Fault;
use crate::engine::instance::{InstanceState, ScopeKind, Stage, Wait};
use crate::engine::lifecycle;
use crate::engine::listener;
use crate::engine::step::{At, Step};
use crate::engine::{subscription, throw, variables};
use std::sync::Arc;

/// Why an instance ended that a modification left without any token.
pub const MODIFIED: &str = "process instance modification";

pub(super) fn modify(step: &mut Step, instructions: Vec<Instruction>) -> Result<(), Rejection> {
    if instructions.is_empty() {
        return Err(invalid("a modification has at least one instruction"));
    }
    for instruction in instructions {
        match instruction {
            Instruction::Cancel(Doomed::Token(token)) => end_token(step, token)?,
            Instruction::Cancel(Doomed::Element(element)) => end_all(step, &element)?,
            Instruction::Begin { placing, within, variables, local } => {
                begin(step, &placing, within, (variables, local))?;
            }
        }
    }
    if step.scope(ROOT_SCOPE).tokens.is_empty() {
        step.instance.head.reason = Some(MODIFIED.to_owned());
        throw::end_all(step);
        listener::process_is_ended(step);
        cancel::end_instance(step, InstanceState::Cancelled);
    }
    Ok(())
}

fn invalid(words: impl Into<String>) -> Rejection {
    Rejection::InvalidInput(words.into())
}

fn node_of(step: &Step, element: &ElementId) -> Result<NodeIx, Rejection> {
    step.process
        .find(element)
        .ok_or_else(|| invalid(format!("there is no element {element} in the process {}", step.process.id)))
}

/// One activation with everything in it.
fn end_token(step: &mut Step, token: TokenId) -> Result<(), Rejection> {
    let at = step.at(token).ok_or_else(|| invalid(format!("there is no activity instance {token}")))?;
    let at = match inner_body(step, at)? {
        // The last of its instances takes the whole activity with it.
        Some((body, 1)) => body,
        Some((_, others)) => {
            let element = step.element_id(at.node);
            let words = format!(
                "{token} is one of {others} instances of the multi-instance activity {element}: they end together, by the id of \
                 the activity"
            );
            return Err(invalid(words));
        }
        None => at,
    };
    end(step, at)
}

/// Every activation of an element; of a multi-instance activity its bodies.
fn end_all(step: &mut Step, element: &ElementId) -> Result<(), Rejection> {
    let node = node_of(step, element)?;
    let mut tokens: Vec<TokenId> =
        step.instance.tokens().filter(|(_, _, token)| token.at == node).map(|(_, id, _)| id).collect();
    if tokens.is_empty() {
        return Err(invalid(format!("there is no activity instance of {element}")));
    }
    tokens.sort_unstable();
    for token in tokens {
        // One may have gone with what is around another.
        let Some(at) = step.at(token) else { continue };
        let at = inner_body(step, at)?.map_or(at, |(body, _)| body);
        end(step, at)?;
    }
    Ok(())
}

/// The body of a multi-instance activity of which this is an instance, and how many of these are under way.
fn inner_body(step: &Step, at: At) -> Result<Option<(At, usize)>, Rejection> {
    let scope = step.scope(at.scope);
    match scope.kind {
        ScopeKind::Inner => {
            let body = scope.owner.and_then(|owner| step.at(owner)).expect("an inner scope has an owner");
            let others = scope.parent.map_or(0, |body| step.instance.places.inner_count(body));
            Ok(Some((body, others)))
        }
        ScopeKind::Compensation => {
            Err(invalid(format!("{} undoes what was completed: it ends with what has thrown compensation", at.token)))
        }
        ScopeKind::Process | ScopeKind::SubProcess | ScopeKind::Activity | ScopeKind::Body | ScopeKind::Kept => {
            Ok(None)
        }
    }
}

/// A scope that nothing is left in ends with its last token, and so on outwards.
fn end(step: &mut Step, mut at: At) -> Result<(), Rejection> {
    loop {
        let scope = step.scope(at.scope);
        let alone = scope.tokens.len() == 1;
        let outer = match scope.kind {
            ScopeKind::SubProcess if alone => scope.owner.and_then(|owner| step.at(owner)),
            ScopeKind::Inner => match inner_body(step, at)? {
                Some((body, 1)) => Some(body),
                _ => None,
            },
            _ => None,
        };
        match outer {
            Some(outer) => at = outer,
            None => break,
        }
    }
    if step.scope(at.scope).kind == ScopeKind::Inner {
        let element = step.element_id(at.node);
        return Err(invalid(format!(
            "it is all that is left of one of several instances of {element}: end the activity as a whole"
        )));
    }
    cancel::cancel(step, at);
    Ok(())
}

fn begin(
    step: &mut Step,
    placing: &Placing,
    within: Option<TokenId>,
    (variables, local): (Variables, Variables),
) -> Result<(), Rejection> {
    let (node, via) = target(step, placing)?;
    let around = ancestors(step, node);
    let (mut scope, known) = match within {
        Some(token) => named_scope(step, token, &around)?,
        None => nearest_scope(step, &around)?,
    };
    for sub_process in around.into_iter().skip(known) {
        scope = open_without_start(step, scope, sub_process)?;
    }
    for (name, variable) in variables {
        step.set_outward(scope, &name, variable);
    }
    for (name, variable) in local {
        step.set_variable(scope, &name, variable);
    }
    lifecycle::start_token(step, scope, node, via);
    Ok(())
}

/// The element that gets a token, and the flow by which it comes.
fn target(step: &Step, placing: &Placing) -> Result<(NodeIx, Option<FlowIx>), Rejection> {
    let process = &step.process;
    let (node, via) = match placing {
        Placing::Before(element) => (node_of(step, element)?, None),
        Placing::After(element) => match process.node(node_of(step, element)?).outgoing.as_slice() {
            [flow] => (process.target(*flow), Some(*flow)),
            flows => {
                let words = format!(
                    "{} sequence flows lead out of {element}, so what is after it is not known: name one of them",
                    flows.len()
                );
                return Err(invalid(words));
            }
        },
        Placing::Flow(id) => {
            let found = process.graph.edge_indices().find(|flow| process.flow(*flow).id == *id);
            let flow = found
                .ok_or_else(|| invalid(format!("there is no sequence flow {id} in the process {}", process.id)))?;
            (process.target(flow), Some(flow))
        }
    };
    let element = process.node(node);
    let joins = matches!(element.kind, "parallelGateway" | "inclusiveGateway" | "complexGateway");
    let refused = if via.is_none() && joins && element.incoming.len() > 1 {
        Some("counts its tokens by the flows they come on: name a sequence flow that leads to it")
    } else if element.element.boundary().is_some() {
        Some("is a boundary event: it begins with the activity that it is attached to")
    } else if process.is_event_sub_process(node) {
        Some("is an event sub-process: its start event begins it")
    } else {
        None
    };
    match refused {
        Some(why) => Err(invalid(format!("{} {why}", element.id))),
        None => Ok((node, via)),
    }
}

/// The sub-processes around an element, the outermost first.
fn ancestors(step: &Step, node: NodeIx) -> Vec<NodeIx> {
    let mut around: Vec<NodeIx> =
        std::iter::successors(step.process.node(node).parent, |node| step.process.node(*node).parent).collect();
    around.reverse();
    around
}

/// The scope of an activation that is named, and how many of the sub-processes it and what is around it are.
fn named_scope(step: &Step, token: TokenId, around: &[NodeIx]) -> Result<(ScopeId, usize), Rejection> {
    let at = step.at(token).ok_or_else(|| invalid(format!("there is no activity instance {token}")))?;
    let place = around.iter().position(|node| *node == at.node);
    match (place, &step.token(at).wait) {
        (Some(place), Wait::Scope(scope)) if step.scope(*scope).kind == ScopeKind::SubProcess => {
            Ok((*scope, place + 1))
        }
        _ => {
            let element = step.element_id(at.node);
            Err(invalid(format!("the activity instance {token} ({element}) is none that is around the element")))
        }
    }
}

/// The innermost sub-process around the element that is under way, if it is once.
fn nearest_scope(step: &Step, around: &[NodeIx]) -> Result<(ScopeId, usize), Rejection> {
    for (place, node) in around.iter().enumerate().rev() {
        let is_it =
            |scope: &&crate::engine::instance::Scope| scope.kind == ScopeKind::SubProcess && scope.at == Some(*node);
        let mut open = step.instance.scopes.values().filter(is_it);
        match (open.next(), open.next()) {
            (Some(only), None) => return Ok((only.id, place + 1)),
            (Some(_), Some(_)) => {
                let element = step.element_id(*node);
                return Err(invalid(format!(
                    "{element} is under way more than once: name the one that is meant as the ancestor"
                )));
            }
            (None, _) => {}
        }
    }
    Ok((ROOT_SCOPE, 0))
}

/// A sub-process as if a token had come to it, but nothing in it begins by itself.
fn open_without_start(step: &mut Step, scope: ScopeId, node: NodeIx) -> Result<ScopeId, Rejection> {
    let process = Arc::clone(&step.process);
    let element = step.element_id(node);
    if process.node(node).looping.is_some() {
        return Err(invalid(format!("{element} has several instances, and none is under way: begin it as a whole")));
    }
    let at = step.place(scope, node, None);
    if step.depth(at) >= NESTING_DEPTH_MAX {
        return Err(invalid("sub-processes nest too deeply"));
    }
    let failed = |fault: Fault| invalid(format!("{element} cannot begin: {}", fault.message));
    let armed = subscription::prepare(step, at).map_err(failed)?;
    variables::map_input(step, at).map_err(failed)?;
    listener::start(step, at).map_err(|trouble| failed(trouble.within_its_end()))?;
    let around = step.variable_scope(at);
    let events = event_sub_process::prepare(step, Some(node), (around, Some(at))).map_err(failed)?;
    let inner = step.open_scope(ScopeKind::SubProcess, Some(around), Some(at.token), Some(node));
    for subscription in events {
        step.arm(inner, subscription);
    }
    step.set_stage(at, Stage::Active);
    step.set_wait(at, Wait::Scope(inner));
    for subscription in armed {
        step.arm(at.scope, subscription);
    }
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use crate::base::id::{ElementId, InstanceId, TokenId};
    use crate::base::time::Timestamp;
    use crate::engine::command::{Command, Doomed, Instruction, Placing, Rejection};
    use crate::engine::execute::{Context, execute};
    use crate::engine::instance::{Instance, InstanceState};
    use crate::engine::testing::{definition, draw};

    fn begun(model: &str) -> Instance {
        let mut instance = Instance::new(InstanceId(7), definition(&draw(model)), Timestamp(1));
        perform(&mut instance, Command::CreateInstance(Box::default())).expect("created");
        instance
    }

    fn perform(instance: &mut Instance, command: Command) -> Result<(), Rejection> {
        let mut cx = Context { now: Timestamp(1), new_id: &mut || InstanceId(8), user: None };
        execute(instance, command, &mut cx).map(|_| ())
    }

    fn modify(instance: &mut Instance, instructions: Vec<Instruction>) -> Result<(), Rejection> {
        perform(instance, Command::Modify { instructions })
    }

    fn end(element: &str) -> Instruction {
        Instruction::Cancel(Doomed::Element(element.into()))
    }

    fn before(element: &str) -> Instruction {
        at(Placing::Before(element.into()), None)
    }

    fn at(placing: Placing, within: Option<TokenId>) -> Instruction {
        Instruction::Begin { placing, within, variables: Default::default(), local: Default::default() }
    }

    /// Where tokens stand, in the order of their numbers.
    fn places(instance: &Instance) -> String {
        let mut all: Vec<(TokenId, ElementId)> = instance
            .tokens()
            .map(|(_, id, token)| (id, instance.definition.process.node(token.at).id.clone()))
            .collect();
        all.sort();
        all.iter().map(|(_, element)| element.as_str()).collect::<Vec<_>>().join(" ")
    }

    const NESTED: &str = "start > A:user > sub(s > B:user > inner(s2 > C:user > e2:end) > e1:end) > D:user > end";

    #[test]
    fn tokens_are_moved_forward_and_back() {
        let mut instance = begun("start > A:user > B:user > C:user > end");
        modify(&mut instance, vec![end("A"), before("C")]).expect("moved");
        assert_eq!(places(&instance), "C");
        modify(&mut instance, vec![at(Placing::After("A".into()), None), end("C")]).expect("moved");
        assert_eq!(places(&instance), "B");
        assert_eq!(instance.head.state, InstanceState::Active);
    }

    #[test]
    fn what_is_around_an_element_is_opened_once_and_closed_with_its_last_token() {
        let mut instance = begun(NESTED);
        modify(&mut instance, vec![before("C")]).expect("begun");
        assert_eq!(places(&instance), "A sub inner C");
        modify(&mut instance, vec![before("B")]).expect("begun");
        assert_eq!(places(&instance), "A sub inner C B", "in the same sub-process");
        modify(&mut instance, vec![end("C")]).expect("ended");
        assert_eq!(places(&instance), "A sub B", "the inner one with its last token");
        modify(&mut instance, vec![end("B"), end("A"), before("D")]).expect("ended");
        assert_eq!(places(&instance), "D");
    }

    #[test]
    fn without_any_token_the_instance_has_ended() {
        let mut instance = begun(NESTED);
        modify(&mut instance, vec![end("A")]).expect("ended");
        assert_eq!(instance.head.state, InstanceState::Cancelled);
        assert_eq!(instance.head.reason.as_deref(), Some(super::MODIFIED));
    }

    #[test]
    fn a_rejection_changes_nothing() {
        let mut instance = begun(NESTED);
        let as_it_was = (places(&instance), instance.head.clone(), instance.scopes.clone());
        for wrong in [
            vec![],
            vec![end("A"), before("nowhere")],
            vec![before("C"), end("D")],
            vec![before("B"), at(Placing::After("nowhere".into()), None)],
            vec![before("C"), at(Placing::Flow("nowhere".into()), None)],
            vec![before("C"), at(Placing::Before("B".into()), Some(TokenId(999)))],
            vec![Instruction::Cancel(Doomed::Token(TokenId(999)))],
        ] {
            let refused = modify(&mut instance, wrong.clone());
            assert!(matches!(refused, Err(Rejection::InvalidInput(_))), "{wrong:?}: {refused:?}");
            assert_eq!((places(&instance), instance.head.clone(), instance.scopes.clone()), as_it_was, "{wrong:?}");
        }
    }

    /// By a flow into a join it counts as having come by it.
    #[test]
    fn a_flow_is_taken_into_a_join() {
        let mut instance = begun("start > and[A:user | B:user] > C:user > end");
        let process = instance.definition.process.clone();
        let out =
            |element: &str| process.flow(process.node(process.find(element).expect("known")).outgoing[0]).id.clone();
        modify(&mut instance, vec![end("A"), at(Placing::Flow(out("A")), None)]).expect("moved");
        assert_eq!(places(&instance), "B and/");
        modify(&mut instance, vec![end("B"), at(Placing::After("B".into()), None)]).expect("moved");
        assert_eq!(places(&instance), "C", "both have come");
    }

    #[test]
    fn of_several_sub_processes_the_one_that_is_meant_is_named() {
        let mut instance = begun("start > and[A:user | B:user] > sub(s > C:user > D:user > e:end) > end");
        let flow = Placing::Before("sub".into());
        modify(&mut instance, vec![at(flow.clone(), None), at(flow, None)]).expect("begun");
        assert_eq!(places(&instance), "A B sub sub C C");
        let refused = modify(&mut instance, vec![before("D")]).expect_err("two are under way");
        assert!(refused.to_string().contains("more than once"), "{refused}");
        let owner = instance
            .tokens()
            .filter(|(_, _, token)| places_at(&instance, token.at) == "sub")
            .map(|(_, id, _)| id)
            .max();
        modify(&mut instance, vec![at(Placing::Before("D".into()), owner)]).expect("named");
        assert_eq!(places(&instance), "A B sub sub C C D");
    }

    fn places_at(instance: &Instance, node: crate::engine::definition::NodeIx) -> String {
        instance.definition.process.node(node).id.to_string()
    }
}
