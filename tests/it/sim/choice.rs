//! Choices of a graph, told anew: which flows may be taken under which data, by the words of BPMN 2.0.2 and with nothing of
//! the engine. A gateway decides at some moment between the coming and the going of its token, an activity when it is left.

use std::collections::{BTreeMap, BTreeSet};
use transhume::base::id::{ElementId, InstanceId, ROOT_SCOPE, ScopeId, TokenId};
use transhume::engine::event::Event;
use transhume::engine::instance::ScopeKind;
use transhume::verify::Told;

/// What the conditions of a graph say, beside its drawing.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    /// Numbers that conditions ask for, at the start of an instance.
    pub(super) variables: BTreeMap<String, i64>,
    pub(super) at: BTreeMap<String, Choice>,
    /// So many tokens activate a complex gateway.
    pub(super) enough: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) rule: Rule,
    /// In the order of the drawing.
    pub(super) flows: Vec<(String, Option<Test>)>,
    pub(super) default: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// The first that holds.
    Exclusive,
    /// Those that hold.
    Inclusive,
    Complex,
    /// Those without condition, and those that hold.
    Activity,
}

/// A variable is this number, or below it.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) variable: String,
    pub(super) below: bool,
    pub(super) number: i64,
}

type Values = BTreeMap<String, i64>;
type Flows = BTreeSet<String>;

impl Test {
    /// As an expression in XML.
    pub(super) fn text(&self) -> String {
        format!("${{{} {} {}}}", self.variable, if self.below { "&lt;" } else { "==" }, self.number)
    }

    fn holds(&self, values: &Values) -> bool {
        let value = values[&self.variable];
        if self.below { value < self.number } else { value == self.number }
    }
}

impl Choice {
    /// None: no flow can be taken, which is an incident.
    fn taken(&self, values: &Values) -> Option<Flows> {
        let holds = |test: &Option<Test>| test.as_ref().is_none_or(|test| test.holds(values));
        let asked = self.flows.iter().filter(|(id, _)| Some(id) != self.default.as_ref());
        let mut taken: Vec<&(String, Option<Test>)> = asked.filter(|(_, test)| holds(test)).collect();
        if self.rule == Rule::Exclusive {
            taken.truncate(1);
        }
        let nothing_holds = match self.rule {
            Rule::Activity => !taken.iter().any(|(_, test)| test.is_some()),
            Rule::Exclusive | Rule::Inclusive | Rule::Complex => taken.is_empty(),
        };
        let mut flows: Flows = taken.iter().map(|(id, _)| id.clone()).collect();
        flows.extend(self.default.iter().filter(|_| nothing_holds).cloned());
        (!flows.is_empty() || self.flows.is_empty()).then_some(flows)
    }

    /// 13.4.5, the second phase: those whose condition holds, no default.
    fn at_reset(&self, values: &Values) -> Flows {
        let holds = |test: &Option<Test>| test.as_ref().is_some_and(|test| test.holds(values));
        self.flows.iter().filter(|(_, test)| holds(test)).map(|(id, _)| id.clone()).collect()
    }
}

/// A token at an element that chooses.
#[derive(Debug)]
struct Stand {
    at: String,
    scope: ScopeId,
    begun: bool,
    /// Held by a save point, and by an incident.
    job: bool,
    incident: bool,
    /// What it may take, as the data has been since it came.
    possible: BTreeSet<Flows>,
}

impl Stand {
    fn is_parked(&self) -> bool {
        !self.begun && !self.job && !self.incident
    }
}

/// Follows the instances of a graph.
#[derive(Debug, Default)]
pub(super) struct Follower {
    values: BTreeMap<InstanceId, Values>,
    inner: BTreeSet<(InstanceId, ScopeId)>,
    stands: BTreeMap<(InstanceId, TokenId), Stand>,
    /// Tokens a complex gateway has taken with its own.
    joined: usize,
    leaving: Option<Leaving>,
}

#[derive(Debug)]
struct Leaving {
    at: String,
    allowed: BTreeSet<Flows>,
    taken: Flows,
}

impl Follower {
    pub(super) fn tell(&mut self, choices: &Choices, told: &Told<'_>) -> Result<(), String> {
        let Some(instance) = told.instance else { return Ok(()) };
        for event in told.events {
            self.play(choices, instance, event)?;
        }
        self.left()
    }

    fn play(&mut self, choices: &Choices, instance: InstanceId, event: &Event) -> Result<(), String> {
        match event {
            Event::FlowTaken { flow } => {
                if let Some(leaving) = &mut self.leaving {
                    leaving.taken.insert(flow.to_string());
                }
                return Ok(());
            }
            Event::ScopeClosed { .. } | Event::TokenEntered { via: Some(_), .. } => {}
            _other => self.left()?,
        }
        match event {
            Event::ScopeOpened { scope, kind: ScopeKind::Inner, .. } => {
                self.inner.insert((instance, *scope));
            }
            Event::VariableSet { scope, name, value } if *scope == ROOT_SCOPE => {
                if let (true, Some(number)) = (choices.variables.contains_key(name), value.value.as_i64()) {
                    self.values.entry(instance).or_default().insert(name.clone(), number);
                    self.ask_again(choices, instance);
                }
            }
            Event::TokenEntered { token, scope, at, .. }
                if choices.at.contains_key(at.as_str()) && !self.inner.contains(&(instance, *scope)) =>
            {
                let (at, possible) = (at.to_string(), BTreeSet::new());
                let stand = Stand { at, scope: *scope, begun: false, job: false, incident: false, possible };
                self.stands.insert((instance, *token), stand);
                self.ask_again(choices, instance);
            }
            Event::JobOpened { token, .. } => self.hold((instance, *token), |stand| stand.job = true),
            Event::JobClosed { token, .. } => self.hold((instance, *token), |stand| stand.job = false),
            Event::IncidentRaised { token, .. } => self.hold((instance, *token), |stand| stand.incident = true),
            Event::IncidentResolved { token, .. } => self.hold((instance, *token), |stand| stand.incident = false),
            Event::TokenJoined { token, .. } => {
                self.joined += usize::from(self.stands.remove(&(instance, *token)).is_some());
            }
            Event::TokenCancelled { token, .. } => _ = self.stands.remove(&(instance, *token)),
            Event::WentOn { token, at } => self.begun(choices, (instance, *token), at)?,
            Event::TokenLeft { token, at } => self.leaves(choices, (instance, *token), at),
            _other => {}
        }
        Ok(())
    }

    fn hold(&mut self, token: (InstanceId, TokenId), set: impl FnOnce(&mut Stand)) {
        if let Some(stand) = self.stands.get_mut(&token) {
            set(stand);
        }
    }

    /// The data is another: what stands may choose by it from now on.
    fn ask_again(&mut self, choices: &Choices, instance: InstanceId) {
        let Some(values) = self.values.get(&instance).filter(|values| values.len() == choices.variables.len()) else {
            return;
        };
        for (_, stand) in self.stands.range_mut((instance, TokenId(0))..=(instance, TokenId(u32::MAX))) {
            let choice = &choices.at[&stand.at];
            stand.possible.extend(if stand.begun { Some(choice.at_reset(values)) } else { choice.taken(values) });
        }
    }

    /// Others that wait at the same complex gateway.
    fn parked(&self, instance: InstanceId, scope: ScopeId, at: &str) -> usize {
        let stands = self.stands.iter().filter(|((of, _), stand)| *of == instance && stand.scope == scope);
        stands.filter(|(_, stand)| stand.at == at && stand.is_parked()).count()
    }

    fn begun(&mut self, choices: &Choices, token: (InstanceId, TokenId), at: &ElementId) -> Result<(), String> {
        let joined = std::mem::take(&mut self.joined);
        let Some(Stand { scope, .. }) = self.stands.get(&token) else { return Ok(()) };
        let (count, enough) = (joined + self.parked(token.0, *scope, at.as_str()), choices.enough[at.as_str()]);
        if count < enough {
            return Err(format!("{at} began with {count} tokens, and needs {enough}"));
        }
        let stand = self.stands.get_mut(&token).expect("it is there");
        let choice = &choices.at[&stand.at];
        let allowed = choice.taken(&self.values[&token.0]).into_iter().collect();
        (stand.begun, stand.possible) = (true, BTreeSet::new());
        self.leaving = Some(Leaving { at: stand.at.clone(), allowed, taken: Flows::new() });
        self.ask_again(choices, token.0);
        Ok(())
    }

    fn leaves(&mut self, choices: &Choices, token: (InstanceId, TokenId), at: &ElementId) {
        self.joined = 0;
        let Some(stand) = self.stands.remove(&token) else { return };
        let choice = &choices.at[at.as_str()];
        let allowed = match choice.rule {
            Rule::Activity => choice.taken(&self.values[&token.0]).into_iter().collect(),
            Rule::Exclusive | Rule::Inclusive | Rule::Complex => stand.possible,
        };
        self.leaving = Some(Leaving { at: stand.at, allowed, taken: Flows::new() });
    }

    fn left(&mut self) -> Result<(), String> {
        match self.leaving.take() {
            Some(Leaving { at, allowed, taken }) if !allowed.contains(&taken) => {
                Err(format!("{at} was left by {taken:?}, but its conditions allow {allowed:?}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Everything rests: no complex gateway that has not begun has what activates it.
    pub(super) fn rests(&self, choices: &Choices, instance: InstanceId) -> Result<(), String> {
        let here: Vec<&Stand> = self.stands.iter().filter(|((of, _), _)| *of == instance).map(|(_, s)| s).collect();
        for stand in here.iter().filter(|stand| stand.is_parked()) {
            let Some(enough) = choices.enough.get(&stand.at) else { continue };
            let begun = here.iter().any(|other| other.begun && (other.scope, &other.at) == (stand.scope, &stand.at));
            let count = self.parked(instance, stand.scope, &stand.at);
            if !begun && count >= *enough {
                return Err(format!("{} has {count} of {enough} tokens and did not begin", stand.at));
            }
        }
        Ok(())
    }
}
