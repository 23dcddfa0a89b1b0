//! The tables that a transaction writes: their columns, and the text of a statement for many rows.
//!
//! On SQLite a statement takes 1, 4, 16, 64 or 256 rows: five texts a table, so that prepared statements are found again.
//! What does not fill one is filled up with empty rows, which the statement passes over: a table costs at most two
//! statements beside the full ones, and a statement costs more than a hundred empty rows. On PostgreSQL a column is an
//! array, so that one statement takes whatever there is.

/// Columns that an upsert leaves as they are: after the insert they are changed beside the partitions.
const KEPT: [(&str, &str); 1] = [("definition", "history_ttl_days")];

/// Rows of one statement.
pub(super) const SIZES: [usize; 5] = [1, 4, 16, 64, 256];

/// A table: its key, then what an upsert replaces.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: &'static [&'static str],
    pub(super) rest: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Insert,
    Upsert,
    Delete,
}

/// How a database takes the values of many rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Marks {
    /// A mark for each value. Without numbers: SQLite looks those up one by one, which is quadratic.
    Plain,
    /// A numbered mark for each column, which is an array: one statement takes all rows.
    Arrays,
}

pub(super) const INSTANCE: Table = Table {
    name: "process_instance",
    key: &["id"],
    rest: &[
        "definition",
        "process",
        "tenant",
        "business_key",
        "caller",
        "caller_token",
        "root",
        "state",
        "started_at",
        "ended_at",
        "starter",
        "start_element",
        "end_element",
        "reason",
        "revision",
        "incidents",
        "body",
    ],
};
pub(super) const SCOPE: Table = Table { name: "scope", key: &["instance", "scope"], rest: &["body"] };
pub(super) const JOB: Table = Table {
    name: "job",
    key: &["instance", "token"],
    rest: &[
        "root",
        "definition",
        "process",
        "tenant",
        "business_key",
        "suspended",
        "kind",
        "element",
        "topic",
        "lease_no",
        "holder",
        "leased_until",
        "retries",
        "expiries",
        "due",
        "priority",
        "created_at",
        "error",
        "incident",
    ],
};
pub(super) const USER_TASK: Table = Table {
    name: "user_task",
    key: &["instance", "token"],
    rest: &[
        "root",
        "definition",
        "process",
        "tenant",
        "business_key",
        "suspended",
        "element",
        "scope",
        "name",
        "description",
        "assignee",
        "owner",
        "delegation",
        "priority",
        "due",
        "follow_up",
        "created_at",
        "updated_at",
    ],
};
pub(super) const CANDIDATE: Table =
    Table { name: "candidate", key: &["instance", "token", "is_group", "name"], rest: &[] };
pub(super) const TIMER: Table = Table {
    name: "timer",
    key: &["instance", "id"],
    rest: &[
        "root",
        "definition",
        "process",
        "tenant",
        "business_key",
        "suspended",
        "owner",
        "element",
        "due",
        "repeats",
        "created_at",
    ],
};
pub(super) const SUBSCRIPTION: Table = Table {
    name: "subscription",
    key: &["instance", "id"],
    rest: &[
        "root",
        "definition",
        "process",
        "tenant",
        "business_key",
        "suspended",
        "owner",
        "element",
        "signal",
        "name",
        "created_at",
    ],
};
pub(super) const INCIDENT: Table = Table {
    name: "incident",
    key: &["instance", "id"],
    rest: &[
        "root",
        "definition",
        "process",
        "tenant",
        "business_key",
        "suspended",
        "token",
        "element",
        "kind",
        "message",
        "at",
    ],
};
pub(super) const VARIABLE: Table = Table {
    name: "variable",
    key: &["instance", "scope", "name"],
    rest: &["tenant", "kind", "text", "number", "token"],
};
pub(super) const COMMAND_KEY: Table =
    Table { name: "command_key", key: &["tenant", "route", "key"], rest: &["digest", "answer", "at"] };
pub(super) const HISTORY: Table = Table {
    name: "history",
    key: &["partition", "position"],
    rest: &["batch", "instance", "at", "cause", "events", "next_id", "clock"],
};
pub(super) const PAST_ACTIVITY: Table = Table {
    name: "past_activity",
    key: &["instance", "token"],
    rest: &[
        "root",
        "definition",
        "process",
        "tenant",
        "element",
        "name",
        "kind",
        "scope",
        "parent",
        "called",
        "assignee",
        "started_at",
        "ended_at",
        "cancelled",
    ],
};
pub(super) const PAST_TASK: Table = Table {
    name: "past_task",
    key: &["instance", "token"],
    rest: &[
        "root",
        "definition",
        "process",
        "tenant",
        "element",
        "name",
        "description",
        "assignee",
        "owner",
        "delegation",
        "priority",
        "due",
        "follow_up",
        "created_at",
        "updated_at",
        "ended_at",
        "reason",
    ],
};
pub(super) const PAST_VARIABLE: Table = Table {
    name: "past_variable",
    key: &["instance", "scope", "name"],
    rest: &["root", "definition", "process", "tenant", "value", "token", "at"],
};
pub(super) const PAST_INCIDENT: Table = Table {
    name: "past_incident",
    key: &["instance", "id"],
    rest: &[
        "root",
        "definition",
        "process",
        "tenant",
        "token",
        "element",
        "kind",
        "message",
        "raised_at",
        "resolved_at",
        "deleted",
    ],
};
pub(super) const PAST_DECISION: Table = Table {
    name: "past_decision",
    key: &["instance", "id"],
    rest: &[
        "root",
        "definition",
        "process",
        "tenant",
        "token",
        "element",
        "evaluator",
        "decision",
        "key",
        "version",
        "name",
        "asked",
        "at",
        "body",
    ],
};
pub(super) const DEPLOYMENT: Table =
    Table { name: "deployment", key: &["id"], rest: &["tenant", "name", "source", "at"] };
pub(super) const RESOURCE: Table = Table { name: "resource", key: &["deployment", "id"], rest: &["name", "bytes"] };
pub(super) const DEFINITION: Table = Table {
    name: "definition",
    key: &["id"],
    rest: &[
        "kind",
        "deployment",
        "tenant",
        "key",
        "version",
        "version_tag",
        "name",
        "resource",
        "suspended",
        "startable",
        "history_ttl_days",
        "documentation",
    ],
};
pub(super) const START_EVENT: Table = Table {
    name: "start_event",
    key: &["definition", "element", "part"],
    rest: &["process", "tenant", "message", "signal", "due", "cycle"],
};
pub(super) const LETTER: Table = Table { name: "letter", key: &["partition", "id"], rest: &["at", "body"] };
pub(super) const INBOX: Table = Table { name: "inbox", key: &["partition", "id"], rest: &["at", "body"] };
pub(super) const OUTCOME: Table = Table { name: "outcome", key: &["node", "number"], rest: &["at", "body"] };

/// Every table of the engine that transactions write.
pub(super) const ALL: [&Table; 23] = [
    &INSTANCE,
    &SCOPE,
    &JOB,
    &USER_TASK,
    &CANDIDATE,
    &TIMER,
    &SUBSCRIPTION,
    &INCIDENT,
    &VARIABLE,
    &COMMAND_KEY,
    &HISTORY,
    &PAST_ACTIVITY,
    &PAST_TASK,
    &PAST_VARIABLE,
    &PAST_INCIDENT,
    &PAST_DECISION,
    &DEPLOYMENT,
    &RESOURCE,
    &DEFINITION,
    &START_EVENT,
    &LETTER,
    &INBOX,
    &OUTCOME,
];

impl Marks {
    /// Splits `rows` into statements: the rows that each takes.
    pub(super) fn chunks(self, rows: usize) -> impl Iterator<Item = usize> {
        let (full, tail) = match self {
            Self::Plain => (rows / 256, tail(rows % 256)),
            Self::Arrays => (0, [rows, 0]),
        };
        std::iter::repeat_n(256, full).chain(tail).filter(|rows| *rows > 0)
    }

    /// The size of the statement that takes so many rows; it names its text.
    pub(super) fn size(self, rows: usize) -> usize {
        match self {
            Self::Plain => size_for(rows),
            Self::Arrays => 1,
        }
    }
}

/// What does not fill a statement: in one or two that are filled up with as few rows as can be.
fn tail(rest: usize) -> [usize; 2] {
    let whole = SIZES.iter().rev().copied().find(|size| *size <= rest).unwrap_or(0);
    let one = size_for(rest) - rest;
    let two = if whole == 0 { 0 } else { size_for(rest - whole) - (rest - whole) };
    if one <= two { [rest, 0] } else { [whole, rest - whole] }
}

/// The size of the statement that takes so many rows.
pub(super) fn size_for(rows: usize) -> usize {
    SIZES.iter().copied().find(|size| *size >= rows).unwrap_or(256)
}

/// The text of a statement for `size` rows. Rows without a first key column are passed over.
pub(super) fn text(table: &Table, mode: Mode, size: usize, marks: Marks) -> String {
    let name = table.name;
    let key = table.key.join(", ");
    let columns = match mode {
        Mode::Delete => key.clone(),
        Mode::Insert | Mode::Upsert => [table.key, table.rest].concat().join(", "),
    };
    let width = match mode {
        Mode::Delete => table.key.len(),
        Mode::Insert | Mode::Upsert => table.key.len() + table.rest.len(),
    };
    let given = match marks {
        Marks::Plain => format!("({}) AS given WHERE column1 IS NOT NULL", values(width, size)),
        Marks::Arrays => format!("UNNEST({}) AS given", numbers(width)),
    };
    match mode {
        Mode::Delete => match marks {
            Marks::Plain => format!("DELETE FROM {name} WHERE ({key}) IN ({})", values(width, size)),
            Marks::Arrays => format!("DELETE FROM {name} WHERE ({key}) IN (SELECT * FROM UNNEST({}))", numbers(width)),
        },
        Mode::Insert => format!("INSERT INTO {name} ({columns}) SELECT * FROM {given}"),
        Mode::Upsert => {
            let replaced = table.rest.iter().filter(|column| !KEPT.contains(&(name, column)));
            let sets: Vec<String> = replaced.map(|column| format!("{column} = excluded.{column}")).collect();
            let then = if sets.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", sets.join(", ")) };
            format!("INSERT INTO {name} ({columns}) SELECT * FROM {given} ON CONFLICT ({key}) DO {then}")
        }
    }
}

fn values(width: usize, size: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(", "));
    format!("VALUES {}", vec![row; size].join(", "))
}

fn numbers(width: usize) -> String {
    let marks: Vec<String> = (1..=width).map(|column| format!("${column}")).collect();
    marks.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_costs_at_most_two_statements_beside_the_full_ones() {
        for rows in 0..=1_000 {
            let chunks: Vec<usize> = Marks::Plain.chunks(rows).collect();
            assert_eq!(chunks.iter().sum::<usize>(), rows);
            assert!(chunks.len() <= rows / 256 + 2, "{rows}: {chunks:?}");
        }
        assert_eq!(Marks::Plain.chunks(65).collect::<Vec<_>>(), [64, 1]);
        assert_eq!(Marks::Plain.chunks(200).collect::<Vec<_>>(), [200]);
        assert_eq!(Marks::Plain.chunks(3).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_text_takes_rows_of_values_or_columns_of_arrays() {
        assert_eq!(
            text(&SCOPE, Mode::Upsert, 1, Marks::Plain),
            "INSERT INTO scope (instance, scope, body) SELECT * FROM (VALUES (?, ?, ?)) AS given \
             WHERE column1 IS NOT NULL ON CONFLICT (instance, scope) DO UPDATE SET body = excluded.body"
        );
        let definition = text(&DEFINITION, Mode::Upsert, 1, Marks::Arrays);
        assert!(definition.contains("name = excluded.name") && !definition.contains("= excluded.history_ttl_days"));
        assert_eq!(
            text(&SCOPE, Mode::Delete, 1, Marks::Arrays),
            "DELETE FROM scope WHERE (instance, scope) IN (SELECT * FROM UNNEST($1, $2))"
        );
    }
}
