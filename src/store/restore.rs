//! Reads a backup into an empty database, wholly or not at all.
//!
//! The file is read to its end first: what is cut off, damaged, of a newer program or no backup is found before anything is
//! written. What the lost timeline did after the backup must not meet what is done now: every partition gets a new epoch,
//! and its numbers jump ahead, so that an id is never given twice to the outside.

use super::backup::{Contents, End, FORMAT, Form, Header, Kind, MAGIC};
use super::error::StoreError;
use super::{Bind, Store, postgres, sqlite, upgrade};
use crate::base::limits::RESTORE_IDS_SKIPPED;
use crate::store::schema::LAST;
use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::{BASE64, HEXLOWER};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Longer than any row that is written.
const LINE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Values of one statement.
const VALUES_MAX: usize = 2_000;
const STATEMENT_BYTES_MAX: usize = 1024 * 1024;
/// Rows in one of these: somebody works with this database.
const TELLING: [&str; 5] = ["installation", "account", "deployment", "process_instance", "history"];

/// Looks whether the file is whole, without a database.
pub fn examine(file: &Path) -> Result<Contents, StoreError> {
    let mut reader = Reader::open(file)?;
    while reader.next()?.is_some() {}
    Ok(reader.contents())
}

/// Fills an empty database. `told` hears of each table and its rows so far.
pub async fn read(
    file: &Path,
    address: &str,
    told: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<Contents, StoreError> {
    let contents = examine(file)?;
    if let Some(table) = foreign_table(address).await? {
        let words = format!("the database is not empty: it has a table {table:?}; name one where nothing is");
        return Err(StoreError::Backup(words));
    }
    let schema = contents.header.schema;
    upgrade::bring_to(address, schema).await?;
    let stands = upgrade::plan(address).await?.from;
    if stands != Some(schema) {
        let words = format!("the tables there stand at step {}, the backup's at {schema}", stands.unwrap_or(0));
        return Err(StoreError::Backup(format!("{words}: name a database where nothing is")));
    }
    let mut loader = Loader::of(address).await?;
    for table in TELLING {
        if loader.count(format!("SELECT COUNT(*) FROM (SELECT 1 FROM {table} LIMIT 1) AS one")).await? > 0 {
            let words = format!("the database is not empty: {table} has rows; name one where nothing is");
            return Err(StoreError::Backup(words));
        }
    }
    load(&mut Reader::open(file)?, &mut loader, told).await?;
    begin_anew(&mut loader).await?;
    loader.commit().await?;
    upgrade::bring_to(address, LAST).await?;
    Ok(contents)
}

async fn foreign_table(address: &str) -> Result<Option<String>, StoreError> {
    match Store::is_sqlite(address)? {
        true => sqlite::shared::Database::foreign_table(address).await,
        false => postgres::shared::Database::foreign_table(address).await,
    }
}

async fn load(
    reader: &mut Reader,
    loader: &mut Loader,
    told: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<(), StoreError> {
    let mut batch = Rows::default();
    let mut count = 0;
    while let Some(line) = reader.next()? {
        match line {
            Line::Table(form) => {
                batch.store(loader).await?;
                // Rows that the tables' own steps have made.
                loader.run(format!("DELETE FROM {}", form.table), vec![]).await?;
                (batch.form, count) = (Some(form), 0);
            }
            Line::Row(binds, bytes) => {
                count += 1;
                batch.add(binds, bytes);
                if batch.is_full() {
                    batch.store(loader).await?;
                    told(batch.form.as_ref().map_or("", |form| &form.table), count);
                }
            }
        }
    }
    batch.store(loader).await
}

/// New epochs, and numbers that the lost timeline has not given.
async fn begin_anew(loader: &mut Loader) -> Result<(), StoreError> {
    let texts = [
        "INSERT INTO partition (id, owner, epoch, lease_until) SELECT DISTINCT h.partition, '', CAST(0 AS BIGINT), CAST(0 AS \
         BIGINT) FROM history h WHERE NOT EXISTS (SELECT 1 FROM partition p WHERE p.id = h.partition)"
            .to_owned(),
        "UPDATE partition SET owner = '', epoch = epoch + 1, lease_until = 0".to_owned(),
        format!(
            "INSERT INTO history (partition, position, batch, instance, at, cause, events, next_id, clock) SELECT p.id, \
             COALESCE(h.position, 0) + 1, COALESCE(h.position, 0) + 1, NULL, COALESCE(h.clock, 0), 'restore', '[]', \
             COALESCE(h.next_id, 1) + {RESTORE_IDS_SKIPPED}, COALESCE(h.clock, 0) FROM partition p LEFT JOIN history h ON \
             h.partition = p.id AND h.position = (SELECT MAX(l.position) FROM history l WHERE l.partition = p.id)"
        ),
    ];
    for text in texts {
        loader.run(text, vec![]).await?;
    }
    Ok(())
}

/// Either database, while it is filled.
enum Loader {
    Sqlite(sqlite::shared::restore::Loader),
    Postgres(postgres::shared::restore::Loader),
}

impl Loader {
    async fn of(address: &str) -> Result<Self, StoreError> {
        Ok(match Store::is_sqlite(address)? {
            true => Self::Sqlite(sqlite::shared::Database::loader(address).await?),
            false => Self::Postgres(postgres::shared::Database::loader(address).await?),
        })
    }

    async fn run(&mut self, text: String, binds: Vec<Bind>) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(loader) => loader.run(text, binds).await,
            Self::Postgres(loader) => loader.run(text, binds).await,
        }
    }

    async fn count(&mut self, text: String) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(loader) => loader.count(text).await,
            Self::Postgres(loader) => loader.count(text).await,
        }
    }

    async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(loader) => loader.commit().await,
            Self::Postgres(loader) => loader.commit().await,
        }
    }
}

/// Rows of one table on their way into a statement.
#[derive(Default)]
struct Rows {
    form: Option<Form>,
    binds: Vec<Bind>,
    rows: usize,
    bytes: usize,
}

impl Rows {
    fn add(&mut self, binds: Vec<Bind>, bytes: usize) {
        self.binds.extend(binds);
        self.rows += 1;
        self.bytes += bytes;
    }

    fn is_full(&self) -> bool {
        let width = self.form.as_ref().map_or(1, |form| form.columns.len());
        self.binds.len() + width > VALUES_MAX || self.bytes > STATEMENT_BYTES_MAX
    }

    async fn store(&mut self, loader: &mut Loader) -> Result<(), StoreError> {
        let Some(form) = self.form.as_ref().filter(|_| self.rows > 0) else { return Ok(()) };
        let names: Vec<&str> = form.columns.iter().map(|(name, _)| name.as_str()).collect();
        let width = names.len();
        let row = |row: usize| {
            let marks: Vec<String> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
            format!("({})", marks.join(", "))
        };
        let rows: Vec<String> = (0..self.rows).map(row).collect();
        let text = format!("INSERT INTO {} ({}) VALUES {}", form.table, names.join(", "), rows.join(", "));
        loader.run(text, std::mem::take(&mut self.binds)).await?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

enum Line {
    Table(Form),
    /// With its length in the file.
    Row(Vec<Bind>, usize),
}

/// A backup, line by line; ends with an error unless its end fits what came before.
struct Reader {
    name: String,
    lines: BufReader<MultiGzDecoder<BufReader<File>>>,
    digest: Context,
    header: Header,
    form: Option<Form>,
    rows: BTreeMap<String, u64>,
}

impl Reader {
    fn open(file: &Path) -> Result<Self, StoreError> {
        let name = file.display().to_string();
        let trouble = |words: String| StoreError::Backup(format!("{name}: {words}"));
        let mut plain = BufReader::new(File::open(file).map_err(|error| trouble(error.to_string()))?);
        let mut first = Vec::new();
        plain.by_ref().take(64).read_until(b'\n', &mut first).map_err(|error| trouble(error.to_string()))?;
        let first = String::from_utf8(first).unwrap_or_default();
        let format = first.strip_prefix(MAGIC).and_then(|rest| rest.trim_end().parse::<u32>().ok());
        match format {
            None => return Err(trouble("this is no backup; `transhume backup` makes one".into())),
            Some(format) if format > FORMAT => {
                let words =
                    format!("a newer program made this backup (format {format}); this one reads up to {FORMAT}");
                return Err(trouble(words));
            }
            Some(_) => {}
        }
        let lines = BufReader::new(MultiGzDecoder::new(plain));
        let header = Header { schema: 0, made_at: Default::default(), program: String::new(), database: String::new() };
        let digest = Context::new(&SHA256);
        let mut reader = Self { name, lines, digest, header, form: None, rows: BTreeMap::new() };
        let (value, text) = reader.value()?;
        reader.digest.update(text.as_bytes());
        reader.header = serde_json::from_value(value).map_err(|error| reader.damaged(&error))?;
        if reader.header.schema > LAST {
            let newer = StoreError::Newer { step: reader.header.schema, last: LAST };
            return Err(StoreError::Backup(format!("{}: {newer}", reader.name)));
        }
        Ok(reader)
    }

    fn contents(&self) -> Contents {
        Contents { header: self.header.clone(), rows: self.rows.clone() }
    }

    /// `None`: the end, and all of it was right.
    fn next(&mut self) -> Result<Option<Line>, StoreError> {
        let (value, text) = self.value()?;
        if value.get("sha256").is_some() {
            let end: End = serde_json::from_value(value).map_err(|error| self.damaged(&error))?;
            let sum = HEXLOWER.encode(self.digest.clone().finish().as_ref());
            if end.sha256 != sum || end.rows != self.rows {
                return Err(self.damaged(&"its rows are not those that were written"));
            }
            let mut rest = [0];
            return match self.lines.read(&mut rest) {
                Ok(0) => Ok(None),
                Ok(_) => Err(self.damaged(&"something follows its end")),
                Err(error) => Err(self.damaged(&error)),
            };
        }
        self.digest.update(text.as_bytes());
        if let Value::Array(cells) = value {
            let Some(form) = self.form.as_ref().filter(|form| form.columns.len() == cells.len()) else {
                return Err(self.damaged(&"a row does not fit its table"));
            };
            let binds: Option<Vec<Bind>> =
                form.columns.iter().zip(cells).map(|((_, kind), cell)| bind(*kind, cell)).collect();
            let binds = binds.ok_or_else(|| self.damaged(&"a value does not fit its column"))?;
            *self.rows.entry(form.table.clone()).or_default() += 1;
            return Ok(Some(Line::Row(binds, text.len())));
        }
        let form: Form = serde_json::from_value(value).map_err(|error| self.damaged(&error))?;
        if !std::iter::once(&form.table).chain(form.columns.iter().map(|(name, _)| name)).all(|name| is_name(name)) {
            return Err(self.damaged(&"a table's name is none"));
        }
        self.rows.insert(form.table.clone(), 0);
        self.form = Some(form.clone());
        Ok(Some(Line::Table(form)))
    }

    fn value(&mut self) -> Result<(Value, String), StoreError> {
        let mut text = String::new();
        let read = self.lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut text);
        match read {
            Ok(_) if text.ends_with('\n') => {}
            Ok(_) => return Err(self.damaged(&"it ends too early")),
            Err(error) => return Err(self.damaged(&error)),
        }
        let value = serde_json::from_str(&text).map_err(|error| self.damaged(&error))?;
        Ok((value, text))
    }

    fn damaged(&self, why: &dyn std::fmt::Display) -> StoreError {
        StoreError::Backup(format!("{}: the backup is damaged or was cut off: {why}; take another", self.name))
    }
}

/// Names become part of statements.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// `None`: it is not of this kind.
fn bind(kind: Kind, cell: Value) -> Option<Bind> {
    match (kind, cell) {
        (Kind::Int, Value::Null) => Some(Bind::MaybeInt(None)),
        (Kind::Int, Value::Number(number)) => number.as_i64().map(Bind::Int),
        (Kind::Real, Value::Null) => Some(Bind::MaybeReal(None)),
        (Kind::Real, Value::String(text)) => text.parse().ok().map(Bind::Real),
        (Kind::Text, Value::Null) => Some(Bind::MaybeText(None)),
        (Kind::Text, Value::String(text)) => Some(Bind::Text(text)),
        (Kind::Bytes, Value::Null) => Some(Bind::MaybeBytes(None)),
        (Kind::Bytes, Value::String(text)) => {
            BASE64.decode(text.as_bytes()).ok().map(|bytes| Bind::MaybeBytes(Some(bytes)))
        }
        (Kind::Int | Kind::Real | Kind::Text | Kind::Bytes, _) => None,
    }
}
