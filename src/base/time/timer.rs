//! Timers of a model: when they are due first, and when again. The text is that of the model, after evaluation.

use super::cron::Pattern;
use super::cycle::Repeat;
use super::{TimeError, TimeZone, Timestamp, add_span, parse_span, short};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimerKind {
    /// `timeDate`: a date-time; as in Camunda 7 also a period from now.
    Date,
    /// `timeDuration`: a period from now; zero is due at once.
    Duration,
    /// `timeCycle`: a repeat, or a cron pattern.
    Cycle,
}

/// A cycle between two occurrences: the one at position `n` is waited for.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Cycle {
    pub text: String,
    /// When the timer was first set; for a cron pattern the moment from which the awaited date was looked for.
    pub start: Timestamp,
    /// Occurrences that are past, fired or missed.
    pub n: u64,
}

/// When a timer is due that is set at `now`. A cycle comes with what [`next_due`] needs.
pub fn first_due(kind: TimerKind, text: &str, now: Timestamp) -> Result<(Timestamp, Option<Cycle>), TimeError> {
    let text = short(text)?;
    match kind {
        TimerKind::Date if text.starts_with('P') => Ok((after_span(text, now)?, None)),
        TimerKind::Date => Ok((Timestamp::parse(text)?, None)),
        TimerKind::Duration => Ok((after_span(text, now)?, None)),
        TimerKind::Cycle => {
            let first = match Source::parse(text)? {
                Source::Repeat(repeat) => repeat.after(now, 0, now)?,
                Source::Cron(pattern) => pattern.after(now)?.map(|at| (0, at)),
            };
            let (n, due) = first.ok_or_else(|| TimeError::Over(text.to_owned()))?;
            Ok((due, Some(Cycle { text: text.to_owned(), start: now, n })))
        }
    }
}

/// What follows the occurrence that `cycle` waited for, or `None` after the last. Dates that passed meanwhile are left
/// out; with `catch_up` each of them is due.
pub fn next_due(cycle: &Cycle, now: Timestamp, catch_up: bool) -> Result<Option<(Timestamp, Cycle)>, TimeError> {
    let following = |n: u64, start: Timestamp| Cycle { text: cycle.text.clone(), start, n };
    match Source::parse(short(&cycle.text)?)? {
        Source::Repeat(repeat) => {
            let next = cycle.n.saturating_add(1);
            let found = if catch_up {
                repeat.exactly(cycle.start, next)?.map(|at| (next, at))
            } else {
                repeat.after(cycle.start, next, now)?
            };
            Ok(found.map(|(n, at)| (at, following(n, cycle.start))))
        }
        Source::Cron(pattern) => {
            let Some(awaited) = pattern.after(cycle.start)? else {
                return Ok(None);
            };
            let from = if catch_up { awaited } else { awaited.max(now) };
            let next = cycle.n.saturating_add(1);
            Ok(pattern.after(from)?.map(|at| (at, following(next, from))))
        }
    }
}

/// Whether a literal of a model can be a timer. A date in the past is one: it is due at once.
pub fn check_timer(kind: TimerKind, text: &str) -> Result<(), TimeError> {
    let text = short(text)?;
    match kind {
        TimerKind::Cycle => match Source::parse(text)? {
            Source::Repeat(_) => Ok(()),
            // The 31st of February is well written and never comes.
            Source::Cron(pattern) => match pattern.after(Timestamp(0))? {
                Some(_) => Ok(()),
                None => Err(TimeError::Over(text.to_owned())),
            },
        },
        TimerKind::Date | TimerKind::Duration => first_due(kind, text, Timestamp(0)).map(|_| ()),
    }
}

enum Source<'t> {
    Repeat(Repeat<'t>),
    Cron(Box<Pattern<'t>>),
}

impl<'t> Source<'t> {
    fn parse(text: &'t str) -> Result<Self, TimeError> {
        if let Some(repeat) = Repeat::parse(text) {
            return repeat.map(Source::Repeat);
        }
        let fields = text.split_whitespace().count();
        if fields < 5 && !text.starts_with('@') && !text.starts_with("CRON_TZ=") {
            return Err(TimeError::NotACycle(text.to_owned()));
        }
        Pattern::parse(text).map(|pattern| Source::Cron(Box::new(pattern)))
    }
}

fn after_span(text: &str, now: Timestamp) -> Result<Timestamp, TimeError> {
    let span = parse_span(text)?;
    if span.is_negative() {
        return Err(TimeError::Negative(text.to_owned()));
    }
    add_span(now, &span, &TimeZone::UTC).map_err(|_| TimeError::TooFar(text.to_owned()))
}
