//! What the counts come to for one instance; on PostgreSQL also what the server says of its statements.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};

use super::hand::{Counts, Part};
use super::load::Failure;
use super::load::database::{Database, Kind};
use super::load::figure::processor;

/// Processor time of this process and of the database's server, and the server's own account of its statements.
pub(crate) struct Observer {
    server: Option<(PgConnection, u32)>,
    own: Duration,
    theirs: Duration,
    begun: Instant,
    pub(crate) elapsed: Duration,
    /// Microseconds by table, and of the commit; empty without the extension.
    statements: BTreeMap<String, f64>,
    /// Bytes of the server's log, and microseconds in which they were written and forced to the disk.
    log: [f64; 2],
    /// Rows that were read without an index, by table.
    scanned: BTreeMap<String, f64>,
}

impl Observer {
    pub(crate) async fn of(database: &Database) -> Result<Self, Failure> {
        let server = match database.kind {
            Kind::Sqlite => None,
            Kind::Postgres => {
                let mut own = PgConnection::connect(&database.address).await?;
                own.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
                let first = "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)";
                let number: String = sqlx::query_scalar(first).fetch_one(&mut own).await?;
                Some((own, number.parse()?))
            }
        };
        let (own, theirs, elapsed) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let (begun, statements, log, scanned) = (Instant::now(), BTreeMap::new(), [0.0; 2], BTreeMap::new());
        Ok(Self { server, own, theirs, begun, elapsed, statements, log, scanned })
    }

    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        if let Some((connection, _)) = &mut self.server {
            connection.execute("CHECKPOINT").await?;
            connection.execute("SELECT pg_stat_statements_reset()").await?;
            self.log = log(connection).await?;
            self.scanned = scanned(connection).await?;
        }
        (self.own, self.theirs) = self.used();
        self.begun = Instant::now();
        Ok(())
    }

    pub(crate) async fn end(&mut self) -> Result<(), Failure> {
        self.elapsed = self.begun.elapsed();
        let (own, theirs) = self.used();
        (self.own, self.theirs) = (own - self.own, theirs - self.theirs);
        if let Some((connection, _)) = &mut self.server {
            let text = "SELECT query, total_exec_time * 1000 FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
                        WHERE d.datname = current_database()";
            let rows: Vec<(String, f64)> = sqlx::query_as(text).fetch_all(&mut *connection).await?;
            for (query, micros) in rows {
                *self.statements.entry(named(&query)).or_default() += micros;
            }
            // A session tells what it wrote to the log once a second at most.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let now = log(connection).await?;
            self.log = [now[0] - self.log[0], now[1] - self.log[1]];
            for (table, rows) in scanned(connection).await? {
                let before = self.scanned.get(&table).copied().unwrap_or(0.0);
                self.scanned.insert(table, rows - before);
            }
        }
        Ok(())
    }

    /// The server's processes are children of its first.
    fn used(&self) -> (Duration, Duration) {
        let theirs = self.server.as_ref().map_or(Duration::ZERO, |(_, first)| processor(*first, true));
        (processor(std::process::id(), false), theirs)
    }
}

async fn log(connection: &mut PgConnection) -> Result<[f64; 2], Failure> {
    let text = "SELECT CAST(pg_current_wal_lsn() - '0/0' AS DOUBLE PRECISION), (wal_write_time + wal_sync_time) * 1000 FROM pg_stat_wal";
    let (bytes, micros) = sqlx::query_as(text).fetch_one(connection).await?;
    Ok([bytes, micros])
}

async fn scanned(connection: &mut PgConnection) -> Result<BTreeMap<String, f64>, Failure> {
    let text = "SELECT CAST(relname AS TEXT), CAST(seq_tup_read AS DOUBLE PRECISION) FROM pg_stat_user_tables";
    let rows: Vec<(String, f64)> = sqlx::query_as(text).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// What a statement does, and at which table.
fn named(query: &str) -> String {
    let words: Vec<&str> = query.split_whitespace().take(12).collect();
    let verb = words.first().copied().unwrap_or_default().to_uppercase();
    let after = |word: &str| {
        let place = words.iter().position(|one| one.eq_ignore_ascii_case(word))?;
        words.get(place + 1).map(|name| name.trim_end_matches(['(', ',', ';']))
    };
    let table = match verb.as_str() {
        "INSERT" => after("INTO"),
        "UPDATE" => words.get(1).copied(),
        _ => after("FROM"),
    };
    match table {
        Some(table) => format!("{} {table}", verb.to_lowercase()),
        None => verb.to_lowercase(),
    }
}

pub(crate) fn show(title: &str, instances: f64, counts: &Counts, observer: &Observer) {
    let each = |duration: Duration| duration.as_secs_f64() * 1e6 / instances;
    println!(
        "{title}; for one instance ({:.1} commands, {:.2} batches):",
        counts.commands as f64 / instances,
        counts.batches as f64 / instances
    );
    let total = |of: &BTreeMap<&'static str, usize>| of.values().sum::<usize>() as f64;
    println!(
        "   {:.1} rows, {:.2} statements ({:.1} a batch), {:.0} bytes of documents, {:.0} bytes of events",
        total(&counts.rows) / instances,
        total(&counts.statements) / instances,
        total(&counts.statements) / counts.batches.max(1) as f64,
        counts.document_bytes as f64 / instances,
        counts.event_bytes as f64 / instances
    );
    for (table, rows) in &counts.rows {
        println!("      {table:<18} {:>6.2} rows", *rows as f64 / instances);
    }
    let part = |name: &str, part: &Part| {
        println!(
            "   {name:<44} {:>8.1} us  {:>7.0} allocations, {:>7.1} KiB",
            each(part.took),
            part.allocations as f64 / instances,
            part.allocated as f64 / instances / 1_024.0
        );
    };
    part("run: engine, documents, index rows", &counts.run);
    part("commit: bind, wait, COMMIT", &counts.commit);
    part("load: instances that are not in memory", &counts.load);
    println!("   {:<44} {:>8.1} us", "all, by the clock", each(observer.elapsed));
    println!("   {:<44} {:>8.1} us", "processor time of this process", each(observer.own));
    if observer.server.is_some() {
        println!("   {:<44} {:>8.1} us", "processor time of PostgreSQL", each(observer.theirs));
        let [bytes, micros] = observer.log;
        println!(
            "   {:<44} {:>8.1} us, {:.0} bytes",
            "its log: written and forced",
            micros / instances,
            bytes / instances
        );
        let statements = observer.statements.values().sum::<f64>();
        println!("   {:<44} {:>8.1} us", "its statements, without waiting for the log", statements / instances);
    }
    for (table, rows) in observer.scanned.iter().filter(|one| one.1 / instances >= 0.5) {
        println!("      PostgreSQL: {:.1} rows of {table} read without an index", rows / instances);
    }
    let mut statements: Vec<(&String, &f64)> = observer.statements.iter().collect();
    statements.sort_by(|one, other| other.1.total_cmp(one.1));
    for (name, micros) in statements.into_iter().take(16) {
        println!("      PostgreSQL: {name:<32} {:>8.1} us", micros / instances);
    }
}
