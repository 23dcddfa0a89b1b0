//! The tables' texts, embedded, and how they are brought up to date.
//!
//! A file that databases have been made by is never changed: what comes later is a file of its own. The same files serve
//! both databases. A comment `/*sqlite: … */` or `/*postgres: … */` is text for that one only; each database's own file
//! says what else it reads otherwise.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

const FILES: &[(i64, &str, &str)] = &[
    (1, "begin", include_str!("../../migrations/0001_begin.sql")),
    (2, "notes", include_str!("../../migrations/0002_notes.sql")),
    (3, "nodes", include_str!("../../migrations/0003_nodes.sql")),
    (4, "people", include_str!("../../migrations/0004_people.sql")),
    (5, "operations", include_str!("../../migrations/0005_operations.sql")),
    (6, "tokens", include_str!("../../migrations/0006_tokens.sql")),
];

/// The step that this program's tables stand at.
pub(super) const LAST: i64 = FILES[FILES.len() - 1].0;

/// Number and name of each step, in their order.
pub(super) fn steps() -> impl Iterator<Item = (i64, &'static str)> {
    FILES.iter().map(|(number, name, _)| (*number, *name))
}

/// The steps for one database; `adapt` is its last word on a text.
pub(super) fn migrator(database: &str, adapt: fn(String) -> String) -> Migrator {
    let step = |(version, name, text): &(i64, &'static str, &str)| {
        let text = sqlx::AssertSqlSafe(adapt(open_hints(text, database))).into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, text, false)
    };
    Migrator::with_migrations(FILES.iter().map(step).collect())
}

/// Turns this database's comments into text.
fn open_hints(text: &str, database: &str) -> String {
    let mark = format!("/*{database}: ");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(&mark) {
        let (before, hint) = rest.split_at(start);
        let hint = &hint[mark.len()..];
        let end = hint.find(" */").expect("a hint of ours ends");
        out.push_str(before);
        out.push_str(&hint[..end]);
        rest = &hint[end + 3..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_text_for_its_database_only() {
        let text = "CREATE TABLE t (a BIGINT) /*sqlite: WITHOUT ROWID */ /*postgres: WITH (fillfactor = 70) */;";
        assert_eq!(
            open_hints(text, "sqlite"),
            "CREATE TABLE t (a BIGINT) WITHOUT ROWID /*postgres: WITH (fillfactor = 70) */;"
        );
    }

    /// A database refuses a step that has changed since it was made.
    #[test]
    fn what_databases_were_made_by_stays_as_it_is() {
        let known = [
            "9ad6c866fa321205",
            "6c24bc25c5b84359",
            "bf7e452de5fdd626",
            "233bd91ebd54248f",
            "f34c1d16e6375a0f",
            "d6f8db10c66cac2c",
        ];
        let steps = migrator("sqlite", |text| text);
        let sums: Vec<String> =
            steps.iter().map(|step| data_encoding::HEXLOWER.encode(&step.checksum)[..16].to_owned()).collect();
        assert_eq!(sums, known, "a step may be added, none may change: write a new file in migrations");
    }
}
