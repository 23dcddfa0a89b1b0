//! Times as people and modelers write them.

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a date of the test")
}

/// The first dates of a cycle that is asked again at each of them.
fn dates(text: &str, now: &str, count: usize) -> Vec<String> {
    let (mut due, cycle) = first_due(TimerKind::Cycle, text, at(now)).expect("a cycle of the test");
    let mut cycle = cycle.expect("a cycle goes on");
    let mut dates = vec![due.to_string()];
    while dates.len() < count {
        match next_due(&cycle, due, false).expect("a cycle of the test") {
            Some((next, following)) => (due, cycle) = (next, following),
            None => {
                dates.push("end".to_owned());
                break;
            }
        }
        dates.push(due.to_string());
    }
    dates.iter().map(|date| date.replace(":00.000Z", "")).collect()
}

#[test]
fn dates_are_read_in_many_forms() {
    let eight = "2026-11-22T08:00:00.000Z";
    let table = [
        ("2026-11-22T08:00:00Z", eight),
        ("2026-11-22T08:00:00.000Z", eight),
        ("2026-11-22T08:00:00z", eight),
        ("2026-11-22T08:00Z", eight),
        ("20261122T080000Z", eight),
        ("2026-11-22T08:00:00+00:00", eight),
        ("2026-11-22T08:00:00.000+0000", eight),
        ("2026-11-22T08:00:00.000 0000", eight),
        ("2026-11-22T09:00:00+01:00", eight),
        ("2026-11-22T09:00:00+0100", eight),
        ("2026-11-22T09:00:00+01", eight),
        ("2026-11-22T09:00:00 01:00", eight),
        ("2026-11-22T03:00:00-05:00", eight),
        ("2026-11-22T09:00:00[Europe/Berlin]", eight),
        ("2026-11-22T09:00:00+01:00[Europe/Berlin]", eight),
        ("2026-11-22T08:00:00", eight),
        ("2026-11-22 08:00:00", eight),
        (" 2026-11-22T08:00:00Z ", eight),
        ("2026-11-22", "2026-11-22T00:00:00.000Z"),
        ("2026-11-22T08:00:00.1239Z", "2026-11-22T08:00:00.123Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59Z", "9999-12-30T22:00:00.999Z"),
    ];
    for (text, expected) in table {
        assert_eq!(Timestamp::parse(text).map(|at| at.to_string()).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_date_is_refused() {
    for text in [
        "",
        "tomorrow",
        "T08:00",
        "2026-11-31T08:00:00Z",
        "2026-13-01",
        "2026-11-22T25:00:00Z",
        "2026-W47-7",
        "22.11.2026",
        "2026-11-22T08:00:00[Mars/Base]",
        "2026-11-22T08:00:00+02:00[Europe/Berlin]",
        "1795334400000",
        "PT5M",
    ] {
        assert_eq!(Timestamp::parse(text), Err(TimeError::NotADate(text.to_owned())));
    }
}

#[test]
fn a_date_without_zone_is_in_the_zone_of_the_caller() {
    let berlin = TimeZone::get("Europe/Berlin").expect("a zone of the bundle");
    let of = |text| Timestamp::parse_in(text, &berlin).map(|at| at.to_string());
    assert_eq!(of("2026-07-01T09:00:00").as_deref(), Ok("2026-07-01T07:00:00.000Z"));
    assert_eq!(of("2026-07-01T09:00:00Z").as_deref(), Ok("2026-07-01T09:00:00.000Z"));
    assert_eq!(of("2026-07-01").as_deref(), Ok("2026-06-30T22:00:00.000Z"));
}

#[test]
fn dates_are_written_in_two_forms() {
    let date = Timestamp(1_795_334_400_005);
    assert_eq!(date.to_string(), "2026-11-22T08:00:00.005Z");
    assert_eq!(date.to_camunda(), "2026-11-22T08:00:00.005+0000");
    for form in [date.to_string(), date.to_camunda()] {
        assert_eq!(form.parse(), Ok(date), "what is written is read");
    }
    // Beyond the calendar, as after an addition without end: no panic.
    assert!(Timestamp(i64::MAX).to_string().starts_with("9999-"));
    assert!(Timestamp(i64::MIN).to_camunda().starts_with("-9999-"));
    assert_eq!(Timestamp(i64::MAX).plus_ms(1), Timestamp(i64::MAX));
}

#[test]
fn periods_are_iso_8601_only() {
    for (text, ms) in [
        ("PT5M", 300_000),
        ("P1DT2H", 93_600_000),
        ("P2W", 1_209_600_000),
        ("PT36H", 129_600_000),
        ("PT0.5S", 500),
        ("PT1.5H", 5_400_000),
        ("-PT5M", -300_000),
        ("PT0S", 0),
        (" PT1S ", 1_000),
    ] {
        let span = parse_span(text).expect("a period of the test");
        assert_eq!(span_ms(&span), Some(ms), "{text}");
    }
    assert_eq!(parse_span("P1M").ok().and_then(|month| span_ms(&month)), None, "a month has no length");
    for text in ["", "P", "PT", "5M", "5 minutes", "1h30m", "pt5m", "P1.5D", "P-1D", "PT5", "P5H", "PT5M3"] {
        assert!(matches!(parse_span(text), Err(TimeError::NotASpan(_))), "{text}");
    }
}

#[test]
fn months_end_where_the_calendar_says() {
    let utc = TimeZone::UTC;
    for (from, span, expected) in [
        ("2026-01-31T10:00:00Z", "P1M", "2026-02-28T10:00:00.000Z"),
        ("2028-01-31T10:00:00Z", "P1M", "2028-02-29T10:00:00.000Z"),
        ("2028-02-29T10:00:00Z", "P1Y", "2029-02-28T10:00:00.000Z"),
        ("2026-01-30T23:30:00Z", "P1MT1H", "2026-03-01T00:30:00.000Z"),
        ("2026-12-31T00:00:00Z", "P1D", "2027-01-01T00:00:00.000Z"),
    ] {
        let span = parse_span(span).expect("a period of the test");
        assert_eq!(add_span(at(from), &span, &utc).map(|at| at.to_string()).as_deref(), Ok(expected));
    }
    let berlin = TimeZone::get("Europe/Berlin").expect("a zone of the bundle");
    let before = at("2026-03-28T12:00:00+01:00");
    let hours = |text| {
        let span = parse_span(text).expect("a period of the test");
        add_span(before, &span, &berlin).map(|after| (after.0 - before.0) / 3_600_000)
    };
    assert_eq!((hours("P1D"), hours("PT24H")), (Ok(23), Ok(24)), "the day of the change has 23 hours");
    assert!(matches!(add_span(before, &parse_span("P9000Y").expect("a period"), &utc), Err(TimeError::TooFar(_))));
}

#[test]
fn dates_and_durations_are_due_once() {
    let now = at("2026-11-22T08:00:00Z");
    let due = |kind, text| first_due(kind, text, now).map(|(due, cycle)| (due.to_string(), cycle));
    let once = |text: &str| Ok((text.to_owned(), None));
    assert_eq!(due(TimerKind::Date, "2026-12-01T00:00:00Z"), once("2026-12-01T00:00:00.000Z"));
    assert_eq!(due(TimerKind::Date, "2020-01-01"), once("2020-01-01T00:00:00.000Z"));
    assert_eq!(due(TimerKind::Date, "P3D"), once("2026-11-25T08:00:00.000Z"));
    assert_eq!(due(TimerKind::Duration, " PT30M\n"), once("2026-11-22T08:30:00.000Z"));
    assert_eq!(due(TimerKind::Duration, "PT0S"), once("2026-11-22T08:00:00.000Z"));
    assert_eq!(due(TimerKind::Duration, "-PT1S"), Err(TimeError::Negative("-PT1S".to_owned())));
    assert_eq!(due(TimerKind::Duration, "R/PT1M"), Err(TimeError::NotASpan("R/PT1M".to_owned())));
    assert!(matches!(due(TimerKind::Duration, "P9000Y"), Err(TimeError::TooFar(_))));
}

#[test]
fn repeats_count_from_their_start() {
    let now = "2026-01-31T08:00:00Z";
    let table: [(&str, &[&str]); 9] = [
        ("R3/PT10H", &["2026-01-31T18:00", "2026-02-01T04:00", "2026-02-01T14:00", "end"]),
        ("R1/PT1H", &["2026-01-31T09:00", "end"]),
        ("R/P1M", &["2026-02-28T08:00", "2026-03-31T08:00", "2026-04-30T08:00", "2026-05-31T08:00"]),
        ("R2/2026-02-01T00:00:00Z/P1D", &["2026-02-01T00:00", "2026-02-02T00:00", "end"]),
        ("R4/2026-01-29T12:00:00Z/P1D", &["2026-01-31T12:00", "2026-02-01T12:00", "end"]),
        ("R/P1M/2026-04-30T00:00:00Z", &["2026-02-28T00:00", "2026-03-30T00:00", "2026-04-30T00:00", "end"]),
        ("R2/P1D/2026-02-05T00:00:00Z", &["2026-02-04T00:00", "2026-02-05T00:00", "end"]),
        ("R2/2026-02-01T00:00Z/2026-02-01T06:00Z", &["2026-02-01T00:00", "2026-02-01T06:00", "end"]),
        (
            "R/2026-03-28T12:00:00[Europe/Berlin]/P1D",
            &["2026-03-28T11:00", "2026-03-29T10:00", "2026-03-30T10:00", "2026-03-31T10:00"],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(dates(text, now, 4), expected, "{text}");
    }
}

#[test]
fn missed_dates_are_left_out_unless_caught_up() {
    let (_, cycle) = first_due(TimerKind::Cycle, "R10/PT1H", at("2026-01-01T00:00:00Z")).expect("a cycle");
    let cycle = cycle.expect("a cycle goes on");
    let late = at("2026-01-01T04:30:00Z");
    let next = |cycle: &Cycle, catch_up| next_due(cycle, late, catch_up).expect("a cycle").expect("it goes on");
    let (due, after) = next(&cycle, false);
    assert_eq!((due, after.n), (at("2026-01-01T05:00:00Z"), 4));
    let (due, after) = next(&cycle, true);
    assert_eq!((due, after.n), (at("2026-01-01T02:00:00Z"), 1));
    assert_eq!(next(&after, true).0, at("2026-01-01T03:00:00Z"));
    assert_eq!(next_due(&cycle, at("2026-01-02T00:00:00Z"), false), Ok(None), "all ten are past");

    let (due, cycle) = first_due(TimerKind::Cycle, "0 0 * * * ?", at("2026-01-01T00:30:00Z")).expect("a pattern");
    assert_eq!(due, at("2026-01-01T01:00:00Z"));
    let cycle = cycle.expect("a pattern goes on");
    assert_eq!(next(&cycle, false).0, at("2026-01-01T05:00:00Z"));
    let (due, after) = next(&cycle, true);
    assert_eq!((due, after.n), (at("2026-01-01T02:00:00Z"), 1));
    assert_eq!(next(&after, true).0, at("2026-01-01T03:00:00Z"));
    let early = next_due(&cycle, at("2026-01-01T00:59:59Z"), false).expect("a pattern").expect("it goes on");
    assert_eq!(early.0, at("2026-01-01T02:00:00Z"), "a clock that is behind does not fire a date twice");
}

#[test]
fn a_long_rest_costs_no_long_search() {
    let (_, cycle) = first_due(TimerKind::Cycle, "R/PT1S", at("1990-01-01T00:00:00Z")).expect("a cycle");
    // A search second by second would take a thousand million steps.
    let next = next_due(&cycle.expect("a cycle goes on"), at("2026-01-01T00:00:00.500Z"), false);
    assert_eq!(next.expect("a cycle").expect("it goes on").0, at("2026-01-01T00:00:01Z"));
}

#[test]
fn cycles_that_cannot_be_are_refused() {
    let now = at("2026-01-01T00:00:00Z");
    let refused = |text: &str| first_due(TimerKind::Cycle, text, now).expect_err(text);
    assert!(matches!(refused("R3/PT0S"), TimeError::TooShort { ms: 0, .. }));
    assert!(matches!(refused("R3/PT0.5S"), TimeError::TooShort { ms: 500, .. }));
    assert!(matches!(refused("R3/-PT1H"), TimeError::Negative(_)));
    assert!(matches!(refused("R/2026-02-01T00:00Z/2026-01-01T00:00Z"), TimeError::Negative(_)));
    assert!(matches!(refused("R0/PT1H"), TimeError::NoRepeat(_)));
    assert!(matches!(refused("R3"), TimeError::NotACycle(_)));
    assert!(matches!(refused("PT1H"), TimeError::NotACycle(_)));
    assert!(matches!(refused(""), TimeError::NotACycle(_)));
    assert!(matches!(refused("Rx/PT1H"), TimeError::NotACycle(_)));
    assert!(matches!(refused("R-1/PT1H"), TimeError::NotACycle(_)));
    assert!(matches!(refused("R99999999999999999999/PT1H"), TimeError::NotACycle(_)));
    assert!(matches!(refused("R3/1h"), TimeError::NotASpan(_)));
    assert!(matches!(refused("R3/monday/PT1H"), TimeError::NotADate(_)));
    assert!(matches!(refused("R3/PT1H/PT1H"), TimeError::NotADate(_)));
    assert!(matches!(refused("R3/2026-01-01T00:00Z/PT1H/PT1H"), TimeError::NotASpan(_) | TimeError::NotADate(_)));
    assert!(matches!(refused("R2/2025-01-01T00:00Z/P1D"), TimeError::Over(_)));
    assert!(matches!(refused("R/P1D/2025-01-01T00:00Z"), TimeError::Over(_)));
    assert!(matches!(refused("R3/P9000Y"), TimeError::TooFar(_)));
    assert!(matches!(refused("CRON_TZ=Mars/Base 0 0 9 * * ?"), TimeError::UnknownZone(_)));
    assert!(matches!(refused("0 0 25 * * ?"), TimeError::NotACron { .. }));
    assert!(matches!(refused("at nine in the morning"), TimeError::NotACron { .. }));
}

#[test]
fn cron_patterns_fire_when_they_say() {
    // A Saturday; the clocks of Berlin go forward on the next morning, at two.
    let now = "2026-03-28T12:00:00.123Z";
    let table = [
        ("0 0/5 * * * ?", ["2026-03-28T12:05", "2026-03-28T12:10"]),
        ("*/5 * * * *", ["2026-03-28T12:05", "2026-03-28T12:10"]),
        ("0 0 9 ? * MON-FRI", ["2026-03-30T09:00", "2026-03-31T09:00"]),
        ("0 0 9 ? * 2-6", ["2026-03-30T09:00", "2026-03-31T09:00"]),
        ("0 9 * * 1-5", ["2026-03-30T09:00", "2026-03-31T09:00"]),
        ("0 0 12 ? * 1", ["2026-03-29T12:00", "2026-04-05T12:00"]),
        ("0 12 * * 7", ["2026-03-29T12:00", "2026-04-05T12:00"]),
        ("0 0 0 L * ?", ["2026-03-31T00:00", "2026-04-30T00:00"]),
        ("0 0 9 1W * ?", ["2026-04-01T09:00", "2026-05-01T09:00"]),
        ("0 0 12 ? * 6L", ["2026-04-24T12:00", "2026-05-29T12:00"]),
        ("0 0 12 ? * 5#2", ["2026-04-09T12:00", "2026-05-14T12:00"]),
        ("@daily", ["2026-03-29T00:00", "2026-03-30T00:00"]),
        ("0 0 12 1 1 ? 2030", ["2030-01-01T12:00", "end"]),
        ("CRON_TZ=Europe/Berlin 0 0 9 * * ?", ["2026-03-29T07:00", "2026-03-30T07:00"]),
        ("CRON_TZ=Europe/Berlin 0 30 2 * * ?", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("CRON_TZ=America/New_York 0 9 * * *", ["2026-03-28T13:00", "2026-03-29T13:00"]),
    ];
    for (text, expected) in table {
        assert_eq!(dates(text, now, 2), expected, "{text}");
    }
}

#[test]
fn an_hour_that_comes_twice_fires_once_a_day() {
    let daily = dates("CRON_TZ=Europe/Berlin 0 30 2 * * ?", "2026-10-24T12:00:00Z", 2);
    assert_eq!(daily, ["2026-10-25T00:30", "2026-10-26T01:30"]);
    let hourly = dates("CRON_TZ=Europe/Berlin 0 0 * * * ?", "2026-10-24T23:30:00Z", 3);
    assert_eq!(hourly, ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"]);
}

#[test]
fn literals_are_checked_at_deployment() {
    for (kind, text) in [
        (TimerKind::Date, "2020-01-01T00:00:00Z"),
        (TimerKind::Date, "P1D"),
        (TimerKind::Duration, "PT5M"),
        (TimerKind::Cycle, "R3/2020-01-01T00:00:00Z/P1D"),
        (TimerKind::Cycle, "0 0 9 ? * MON-FRI"),
    ] {
        assert_eq!(check_timer(kind, text), Ok(()), "{text}");
    }
    for (kind, text) in [
        (TimerKind::Date, "R3/PT1H"),
        (TimerKind::Duration, "2026-01-01T00:00:00Z"),
        (TimerKind::Duration, "5 minutes"),
        (TimerKind::Cycle, "R/PT0.1S"),
        (TimerKind::Cycle, "0 0 0 31 2 ?"),
        (TimerKind::Cycle, "PT5M"),
    ] {
        assert!(check_timer(kind, text).is_err(), "{text}");
    }
}

#[test]
fn refusals_say_what_to_write() {
    let words = |kind, text| check_timer(kind, text).expect_err(text).to_string();
    assert_eq!(
        words(TimerKind::Duration, "5M"),
        "\"5M\" is not an ISO 8601 period: write PT5M for five minutes, P1DT2H for a day and two hours"
    );
    assert_eq!(
        words(TimerKind::Cycle, "R/PT0.1S"),
        "\"R/PT0.1S\" repeats every 100 ms, the shortest cycle is 1000 ms: write a longer one"
    );
}

#[test]
fn a_cycle_survives_storage() {
    let cycle = Cycle { text: "R/PT1H".to_owned(), start: Timestamp(5), n: 3 };
    let stored = serde_json::to_string(&cycle).expect("it is plain data");
    assert_eq!(stored, r#"{"text":"R/PT1H","start":5,"n":3}"#);
    assert_eq!(serde_json::from_str::<Cycle>(&stored).expect("as stored"), cycle);
}
