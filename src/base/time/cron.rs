//! Cron patterns by croner: five fields as in crontab, six or seven (seconds first, year last) as in Camunda 7.
//!
//! In the longer form weekdays are numbered as Camunda 7 does (1 is Sunday), in the shorter as crontab does (0 or 7 is
//! Sunday); names mean the same in both. A zone stands in front, as in `CRON_TZ=Europe/Berlin 0 0 9 ? * MON-FRI`; without
//! it the pattern is UTC.

use super::{TimeError, TimeZone, Timestamp};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::CronParser;

#[derive(Debug)]
pub(super) struct Pattern<'t> {
    text: &'t str,
    cron: Cron,
    zone: TimeZone,
}

impl<'t> Pattern<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, TimeError> {
        let (zone, pattern) = match text.strip_prefix("CRON_TZ=") {
            None => (TimeZone::UTC, text),
            Some(rest) => {
                let (name, pattern) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let zone = TimeZone::get(name).map_err(|_| TimeError::UnknownZone(name.to_owned()))?;
                (zone, pattern)
            }
        };
        let parser = CronParser::builder()
            .sloppy_ranges(true)
            .alternative_weekdays(pattern.split_whitespace().count() > 5)
            .build();
        let wrong = |reason: CronError| TimeError::NotACron { text: text.to_owned(), reason: reason.to_string() };
        Ok(Self { text, cron: parser.parse(pattern).map_err(wrong)?, zone })
    }

    /// The first date after `at`; `None` when there is none. A time in the gap of a daylight-saving change is the first
    /// valid one behind it.
    pub(super) fn after(&self, at: Timestamp) -> Result<Option<Timestamp>, TimeError> {
        match self.cron.find_next_occurrence(&at.in_zone(self.zone.clone()), false) {
            Ok(found) => Ok(Some(Timestamp::of(&found))),
            Err(CronError::TimeSearchLimitExceeded | CronError::InvalidDate | CronError::InvalidTime) => Ok(None),
            Err(reason) => Err(TimeError::NotACron { text: self.text.to_owned(), reason: reason.to_string() }),
        }
    }
}
