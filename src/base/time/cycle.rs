//! Repeats after ISO 8601: `R3/PT10H`, `R/<start>/<span>`, `R/<span>/<end>`, `R2/<start>/<end>`.
//!
//! Ours, because no crate has them. The p-th occurrence is always reckoned from the anchor, never from the one before,
//! so a monthly cycle that begins on the 31st comes back to the 31st after February.

use super::{Span, TimeError, TimeZone, Timestamp, add_span, parse_span, zoned};
use crate::base::limits;

/// A repeat with everything but the moment at which it was armed.
#[derive(Debug)]
pub(super) struct Repeat<'t> {
    text: &'t str,
    /// `None`: for ever.
    times: Option<u64>,
    span: Span,
    anchor: Anchor,
    zone: TimeZone,
}

#[derive(Debug)]
enum Anchor {
    /// Counts from the moment of arming; the first occurrence is one span later.
    Armed,
    /// The first occurrence is this one.
    Start(Timestamp),
    /// The last occurrence is this one.
    End(Timestamp),
}

impl<'t> Repeat<'t> {
    /// `None`: the text does not look like a repeat.
    pub(super) fn parse(text: &'t str) -> Option<Result<Self, TimeError>> {
        let (count, rest) = text.strip_prefix('R')?.split_once('/')?;
        Some(Self::read(text, count, rest))
    }

    fn read(text: &'t str, count: &str, rest: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError::NotACycle(text.to_owned());
        let times = match count {
            "" => None,
            digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => Some(digits.parse().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        };
        if times == Some(0) {
            return Err(TimeError::NoRepeat(text.to_owned()));
        }
        let utc = TimeZone::UTC;
        let (span, anchor, zone) = match halves(rest) {
            None => (parse_span(rest)?, Anchor::Armed, utc),
            Some((span, end)) if is_span(span) => {
                let end = zoned(end, &utc)?;
                (parse_span(span)?, Anchor::End(Timestamp::of(&end)), end.time_zone().clone())
            }
            Some((start, span)) if is_span(span) => {
                let start = zoned(start, &utc)?;
                (parse_span(span)?, Anchor::Start(Timestamp::of(&start)), start.time_zone().clone())
            }
            Some((start, end)) => {
                let (start, end) = (Timestamp::parse(start)?, Timestamp::parse(end)?);
                let span = Span::new().try_milliseconds(end.0.saturating_sub(start.0)).map_err(|_| wrong())?;
                (span, Anchor::Start(start), utc)
            }
        };
        let repeat = Self { text, times, span, anchor, zone };
        repeat.check_length()?;
        Ok(repeat)
    }

    fn check_length(&self) -> Result<(), TimeError> {
        let text = || self.text.to_owned();
        if self.span.is_negative() {
            return Err(TimeError::Negative(text()));
        }
        // January has no daylight-saving change anywhere that would shorten a period below its limit.
        let once = add_span(Timestamp(0), &self.span, &TimeZone::UTC).map_err(|_| TimeError::TooFar(text()))?;
        if once.0 < limits::CYCLE_MIN_MS {
            return Err(TimeError::TooShort { text: text(), ms: once.0 });
        }
        Ok(())
    }

    /// The first occurrence after `now` at position `from` or later, with its position; positions begin at 0.
    /// `armed`: when the timer was first set.
    pub(super) fn after(
        &self,
        armed: Timestamp,
        from: u64,
        now: Timestamp,
    ) -> Result<Option<(u64, Timestamp)>, TimeError> {
        let total = self.total(armed)?;
        let position = match first_position(from, |position| self.at(armed, position, total).is_none_or(|at| at > now))
        {
            Some(position) if total.is_none_or(|total| position < total) => position,
            Some(_) | None => return Ok(None),
        };
        match self.at(armed, position, total) {
            Some(at) => Ok(Some((position, at))),
            None => Err(TimeError::TooFar(self.text.to_owned())),
        }
    }

    /// The occurrence at a position, whether past or not; `None` behind the last.
    pub(super) fn exactly(&self, armed: Timestamp, position: u64) -> Result<Option<Timestamp>, TimeError> {
        let total = self.total(armed)?;
        if total.is_some_and(|total| position >= total) {
            return Ok(None);
        }
        self.at(armed, position, total).map(Some).ok_or_else(|| TimeError::TooFar(self.text.to_owned()))
    }

    /// How many occurrences there are. With an end they are those after arming, at most `times`.
    fn total(&self, armed: Timestamp) -> Result<Option<u64>, TimeError> {
        let Anchor::End(end) = self.anchor else {
            return Ok(self.times);
        };
        let before = |back: u64| self.shifted(end, back, true).is_none_or(|at| at <= armed);
        let fitting = first_position(0, before).ok_or_else(|| TimeError::TooFar(self.text.to_owned()))?;
        Ok(Some(self.times.map_or(fitting, |times| times.min(fitting))))
    }

    /// `None`: beyond the calendar.
    fn at(&self, armed: Timestamp, position: u64, total: Option<u64>) -> Option<Timestamp> {
        match self.anchor {
            Anchor::Armed => self.shifted(armed, position.checked_add(1)?, false),
            Anchor::Start(start) => self.shifted(start, position, false),
            Anchor::End(end) => self.shifted(end, total?.checked_sub(position)?.checked_sub(1)?, true),
        }
    }

    fn shifted(&self, anchor: Timestamp, spans: u64, back: bool) -> Option<Timestamp> {
        let spans = i64::try_from(spans).ok()?;
        let offset = self.span.checked_mul(if back { -spans } else { spans }).ok()?;
        add_span(anchor, &offset, &self.zone).ok()
    }
}

/// Cuts at the first slash that is not part of a zone's name, as in `[Europe/Berlin]`.
fn halves(text: &str) -> Option<(&str, &str)> {
    let mut slashes = text.match_indices('/').map(|(at, _)| text.split_at(at));
    let (first, rest) = slashes.find(|(before, _)| before.matches('[').count() == before.matches(']').count())?;
    Some((first, &rest[1..]))
}

fn is_span(text: &str) -> bool {
    text.trim_start().starts_with(['P', '-', '+'])
}

/// The smallest position from `from` on that `holds`, which once true stays true. Doubling, then halving: a cycle of a
/// second that rested for a year costs 25 steps, not 31 million.
fn first_position(from: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let mut step: u64 = 1;
    let mut low = from;
    let mut high = from;
    while !holds(high) {
        low = high.checked_add(1)?;
        high = high.checked_add(step)?;
        step = step.checked_mul(2)?;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}
