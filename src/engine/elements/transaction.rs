//! Transaction: a sub-process that can be cancelled: what was completed in it is undone, then it is left another way.
//!
//! BPMN 2.0.2, 13.3.4 and 10.3.5: "a Transaction is a specialized type of Sub-Process … three outcomes: successful
//! completion; failed completion (Cancel), the Activities inside will be subjected to the cancellation actions, including
//! compensation; hazard: the flow continues from the Error Intermediate Event", without compensation.

use super::prelude::*;
use super::sub_process::open;

#[derive(Debug)]
pub struct Transaction;

impl Transaction {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        source.check_cancelling(found);
        Self
    }
}

impl Behavior for Transaction {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        open(step, at, false)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::{check_xml, within};

    const TWO: &str = r#"<startEvent id="s"/><sequenceFlow id="f0" sourceRef="s" targetRef="T"/>
        <transaction id="T"><startEvent id="i"/><sequenceFlow id="f1" sourceRef="i" targetRef="A"/>
        <userTask id="A"/><boundaryEvent id="b" attachedToRef="A"><compensateEventDefinition/></boundaryEvent>
        <userTask id="undo" isForCompensation="true"/><association id="a" sourceRef="b" targetRef="undo"/>
        <sequenceFlow id="f2" sourceRef="A" targetRef="x"/><endEvent id="x"><cancelEventDefinition/></endEvent></transaction>
        <boundaryEvent id="c" attachedToRef="T"><cancelEventDefinition/></boundaryEvent>
        <sequenceFlow id="f3" sourceRef="c" targetRef="B"/><userTask id="B"/>"#;

    #[test]
    fn cancelled_it_is_undone_before_it_is_left() {
        check_xml(&within(TWO), "start; complete A; complete undo", "s T* i A* x* undo* T- c B*");
    }
}
