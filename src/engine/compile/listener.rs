//! Listeners of the model, compiled: each with a moment that its element has.

use super::Element;
use super::source::{Model, Source, compiled};
use crate::base::diagnostic::Findings;
use crate::bpmn::extension::{self, Listener as Written, ListenerCode};
use crate::engine::listener::{Code, Listener, Listeners, Moment, Timeout};
use crate::script::Language;

const EXECUTION: &str = "executionListener";
const TASK: &str = "taskListener";
const OF_ELEMENT: [Moment; 2] = [Moment::Start, Moment::End];
const OF_FLOW: [Moment; 1] = [Moment::Take];
const OF_TASK: [Moment; 6] =
    [Moment::Create, Moment::Assignment, Moment::Complete, Moment::Delete, Moment::Update, Moment::Timeout];

/// Of a process, a flow node or a sequence flow.
pub(super) fn execution(el: Element<'_>, model: &Model<'_>, found: &mut Findings) -> Listeners {
    let moments: &[Moment] = if el.name() == "sequenceFlow" { &OF_FLOW } else { &OF_ELEMENT };
    let of = |written: Written<'_>, found: &mut Findings| {
        let moment = match written.event {
            // On a sequence flow there is but one moment.
            None if moments.len() == 1 => Some(moments[0]),
            event => moment(&written, event, moments, el, found),
        };
        Some(Listener { moment: moment?, code: code(&written, el, model, found)? })
    };
    Listeners::new(extension::listeners(el, EXECUTION).into_iter().filter_map(|written| of(written, found)).collect())
}

fn moment(
    written: &Written<'_>,
    event: Option<&str>,
    moments: &[Moment],
    el: Element<'_>,
    found: &mut Findings,
) -> Option<Moment> {
    let named = moments.iter().copied().find(|moment| Some(moment.name()) == event);
    if named.is_none() {
        let known: Vec<&str> = moments.iter().map(|moment| moment.name()).collect();
        let words = format!(
            "a listener hears {} here, not {:?}: set its event to one of these",
            known.join(", "),
            event.unwrap_or_default()
        );
        found.error(written.position, el.attribute("id"), "listener", words);
    }
    named
}

fn code(written: &Written<'_>, el: Element<'_>, model: &Model<'_>, found: &mut Findings) -> Option<Code> {
    let id = el.attribute("id");
    match &written.code {
        Some(ListenerCode::Expression(text)) => {
            Some(Code::Expression(compiled(Language::Juel, text, written.position, id, found)))
        }
        Some(ListenerCode::Script { format, text, resource }) => {
            Some(Code::Script(model.script(format, text, resource.as_deref(), (written.position, id), found)))
        }
        Some(ListenerCode::Java) => {
            let words = "Java does not run here: give the listener an expression, or a script of format rhai";
            found.error(written.position, id, "unsupported-vocabulary", words);
            None
        }
        None => {
            let words = "this listener does nothing: give it an expression, or a script of format rhai";
            found.error(written.position, id, "listener", words);
            None
        }
    }
}

impl Source<'_, '_> {
    /// Task listeners of a user task, and those that hear a time.
    pub(crate) fn task_listeners(&self, found: &mut Findings) -> (Listeners, Vec<Timeout>) {
        let (mut heard, mut timeouts) = (Vec::new(), Vec::new());
        for written in extension::listeners(self.el, TASK) {
            let moment = moment(&written, written.event, &OF_TASK, self.el, found);
            let code = code(&written, self.el, self.model, found);
            let (Some(moment), Some(code)) = (moment, code) else { continue };
            if moment != Moment::Timeout {
                heard.push(Listener { moment, code });
                continue;
            }
            match (written.id, written.timer) {
                (Some(id), Some(timer)) => {
                    if let Some(timer) = self.timer(timer, found) {
                        timeouts.push(Timeout { id: id.to_owned(), timer, code });
                    }
                }
                (None, _) => {
                    let words = "a timeout listener is known by its id: give it one";
                    found.error(written.position, self.id_opt(), "listener", words);
                }
                (Some(_), None) => {
                    let words = "a timeout listener says when it is due: give it a timerEventDefinition";
                    found.error(written.position, self.id_opt(), "listener", words);
                }
            }
        }
        (Listeners::new(heard), timeouts)
    }
}
