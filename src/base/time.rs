//! Instants as milliseconds UTC; ISO 8601 spans, cycles and cron are read by jiff and croner.
//!
//! An instant is written in two forms: RFC 3339 (`Display`, `/api`) and Camunda 7's, which has no colon in the offset
//! (`/engine-rest`). Both, and a few more, are read. A date-time without zone is UTC unless the caller names a zone.

mod cron;
mod cycle;
mod timer;

use super::limits;
use jiff::civil::Time;
use jiff::fmt::temporal::{DateTimeParser, SpanParser};
use jiff::{SpanRelativeTo, Zoned};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

pub use jiff::Span;
pub use jiff::tz::TimeZone;
pub use timer::{Cycle, TimerKind, check_timer, first_due, next_due};

pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Why a text is no time. The words name the text and say what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    #[error("a time of {0} bytes is too long, the limit is {max}: write one date, period or cycle", max = limits::TIME_TEXT_BYTES_MAX)]
    TooLong(usize),
    #[error("{0:?} is not a date-time: write it as 2026-11-22T08:00:00Z")]
    NotADate(String),
    #[error("{0:?} is not an ISO 8601 period: write PT5M for five minutes, P1DT2H for a day and two hours")]
    NotASpan(String),
    #[error(
        "{0:?} is not a cycle: write R3/PT10H (three times), R/PT10M (for ever), or a cron pattern such as 0 0 9 ? * MON-FRI"
    )]
    NotACycle(String),
    #[error("{text:?} is not a cron pattern: {reason}")]
    NotACron { text: String, reason: String },
    #[error("the time zone {0:?} is unknown: write it as Europe/Berlin")]
    UnknownZone(String),
    #[error("{0:?} goes back in time: write a period that is positive")]
    Negative(String),
    #[error("{0:?} repeats zero times: write R1 for once, R for ever")]
    NoRepeat(String),
    #[error("{text:?} repeats every {ms} ms, the shortest cycle is {} ms: write a longer one", limits::CYCLE_MIN_MS)]
    TooShort { text: String, ms: i64 },
    #[error("{0:?} leads beyond the year 9999: write a nearer time")]
    TooFar(String),
    #[error("{0:?} has no date to come: write a pattern or an end that still comes")]
    Over(String),
}

impl Timestamp {
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Reads RFC 3339 and its relatives: with `Z`, `+01:00`, `+0100` or `[Europe/Berlin]`, with or without milliseconds,
    /// seconds, or time of day. Without zone it is UTC.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        Self::parse_in(text, &TimeZone::UTC)
    }

    /// As [`Timestamp::parse`]; a text without zone is a time in `zone`.
    pub fn parse_in(text: &str, zone: &TimeZone) -> Result<Self, TimeError> {
        zoned(text, zone).map(|zoned| Self::of(&zoned))
    }

    /// `2026-11-22T08:00:00.000+0000`: three digits, no colon, never `Z`.
    pub fn to_camunda(self) -> String {
        self.civil().strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
    }

    fn of(zoned: &Zoned) -> Self {
        Self(zoned.timestamp().as_millisecond())
    }

    fn in_zone(self, zone: TimeZone) -> Zoned {
        self.instant().to_zoned(zone)
    }

    /// Instants beyond the years that can be written are the first or last one that can.
    fn instant(self) -> jiff::Timestamp {
        let bound = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(bound)
    }

    fn civil(self) -> jiff::civil::DateTime {
        TimeZone::UTC.to_datetime(self.instant())
    }
}

/// RFC 3339 in UTC with three digits: `2026-11-22T08:00:00.000Z`. Texts of this form sort as their instants do.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil().strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

/// An ISO 8601 period. jiff's own `parse` would also take `5 minutes`; its `SpanParser` takes lower case, which is no ISO.
pub fn parse_span(text: &str) -> Result<Span, TimeError> {
    let text = short(text)?;
    let wrong = || TimeError::NotASpan(text.to_owned());
    if text.contains(|letter: char| letter.is_ascii_lowercase()) {
        return Err(wrong());
    }
    SpanParser::new().parse_span(text).map_err(|_| wrong())
}

/// `at` plus a period by the calendar of `zone`: a month later is the same day, or the last one of a shorter month.
pub fn add_span(at: Timestamp, iso: &Span, zone: &TimeZone) -> Result<Timestamp, TimeError> {
    let later = at.in_zone(zone.clone()).checked_add(*iso);
    later.map(|later| Timestamp::of(&later)).map_err(|_| TimeError::TooFar(iso.to_string()))
}

/// `historyTimeToLive`: days, or an ISO 8601 period of days, weeks, months or years.
pub fn days_to_live(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let number = |digits: &str, each: u32| digits.parse::<u32>().ok()?.checked_mul(each);
    let days = match text.strip_prefix('P') {
        None => number(text, 1),
        Some(period) => match period.char_indices().last() {
            Some((end, 'D')) => number(&period[..end], 1),
            Some((end, 'W')) => number(&period[..end], 7),
            Some((end, 'M')) => number(&period[..end], 30),
            Some((end, 'Y')) => number(&period[..end], 365),
            Some(_) | None => None,
        },
    };
    days.ok_or_else(|| format!("historyTimeToLive {text:?} must be a number of days, or a period such as P180D"))
}

/// A period in milliseconds, where days have 24 hours; `None` if it has months or years, which have no fixed length.
pub fn span_ms(iso: &Span) -> Option<i64> {
    if iso.get_months() != 0 || iso.get_years() != 0 {
        return None;
    }
    let exact = iso.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    i64::try_from(exact.as_millis()).ok()
}

/// A date-time with the zone that it names, else in `zone`.
fn zoned(text: &str, zone: &TimeZone) -> Result<Zoned, TimeError> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    let text = short(text)?;
    let wrong = || TimeError::NotADate(text.to_owned());
    let text = with_plus(text);
    let pieces = PARSER.parse_pieces(text.as_ref()).map_err(|_| wrong())?;
    if pieces.time_zone_annotation().is_some() {
        return PARSER.parse_zoned(text.as_ref()).map_err(|_| wrong());
    }
    let civil = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let zone = match pieces.to_numeric_offset() {
        Some(offset) if offset.seconds() == 0 => TimeZone::UTC,
        Some(offset) => TimeZone::fixed(offset),
        None => zone.clone(),
    };
    // Civil dates reach a day further than instants do, and 9999-12-31 is a common way to say never.
    let bound = if civil.year() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    Ok(civil.to_zoned(zone.clone()).unwrap_or_else(|_| bound.to_zoned(zone)))
}

/// Without the blanks around it; a text that is no time must not fill a log or a search.
fn short(text: &str) -> Result<&str, TimeError> {
    let text = text.trim();
    if text.len() > limits::TIME_TEXT_BYTES_MAX {
        return Err(TimeError::TooLong(text.len()));
    }
    Ok(text)
}

/// In a query an unescaped `+` arrives as a blank: `2026-11-22T08:00:00.000 0000`.
fn with_plus(text: &str) -> std::borrow::Cow<'_, str> {
    match text.rsplit_once(' ') {
        Some((date, offset)) if date.contains('T') && offset.starts_with(|digit: char| digit.is_ascii_digit()) => {
            format!("{date}+{offset}").into()
        }
        Some(_) | None => text.into(),
    }
}

#[cfg(test)]
mod tests;
