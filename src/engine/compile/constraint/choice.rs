//! An exclusive choice without default: where no condition holds the token has no way (BPMN 2.0.2, 13.4.2: an exception;
//! here an incident). A warning, since conditions may well cover all that can be; two that plainly do are not reported.

use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::compile::flow::{DrawnFlow, DrawnNode};

/// Each holds exactly when the other does not; longer ones first, for they contain the shorter.
const OPPOSITES: &[(&str, &str)] =
    &[("==", "!="), (">=", "<"), ("<=", ">"), (" eq ", " ne "), (" ge ", " lt "), (" le ", " gt ")];

pub(super) fn check(node: &DrawnNode<'_>, outgoing: &[&DrawnFlow<'_>], found: &mut Findings) {
    if node.el.name() != "exclusiveGateway" || node.el.attribute("default").is_some() || outgoing.len() < 2 {
        return;
    }
    let conditions: Vec<String> = outgoing.iter().filter_map(|flow| condition(flow)).collect();
    if conditions.len() < outgoing.len() || conditions.iter().any(|text| text == "true") {
        return; // a flow that is always taken is as good as a default
    }
    if let [one, other] = conditions.as_slice()
        && (opposite(one, other) || opposite(other, one))
    {
        return;
    }
    let words = format!(
        "{:?}: each of its {} outgoing flows has a condition and none is the default: where no condition holds, the instance stops here with an incident. Make one of them the default",
        node.id,
        outgoing.len()
    );
    found.warn(node.el.position(), Some(node.id), "no-default", words);
}

/// The text between the braces, with single blanks.
fn condition(flow: &DrawnFlow<'_>) -> Option<String> {
    let text = flow.el.child(names::BPMN, "conditionExpression")?.text();
    let text = text.trim();
    let inner = text.strip_prefix("${").or_else(|| text.strip_prefix("#{")).and_then(|rest| rest.strip_suffix('}'));
    Some(inner.unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" "))
}

fn opposite(one: &str, other: &str) -> bool {
    let denied = ["!", "not "].iter().filter_map(|word| other.strip_prefix(word)).map(str::trim);
    let bare =
        |text: &str| text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text).trim().to_owned();
    if denied.map(bare).any(|text| text == bare(one)) {
        return true;
    }
    let plain = ![one, other].iter().any(|text| ["&&", "||", " and ", " or "].iter().any(|word| text.contains(word)));
    plain
        && OPPOSITES.iter().any(|(yes, no)| {
            let turned = |text: &str, from: &str, to: &str| text.contains(from).then(|| text.replacen(from, to, 1));
            turned(one, yes, no).as_deref() == Some(other) || turned(one, no, yes).as_deref() == Some(other)
        })
}
