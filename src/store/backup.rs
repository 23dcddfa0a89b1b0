//! A backup: one file with every table of one moment, for either database.
//!
//! The first line names the format, `transhume-backup 1`. Behind it, compressed (gzip, RFC 1952), are lines of JSON: the
//! header, then for each table its name and columns and its rows as arrays, then the end with the number of rows and the
//! SHA-256 of all lines before it. Numbers are numbers, texts texts, bytes base64, real numbers texts that give the same bits.

use super::error::StoreError;
use super::raw::{Cell, Snapshot};
use super::{Bind, Store};
use crate::base::time::Timestamp;
use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::{BASE64, HEXLOWER};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// What this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
pub(super) const MAGIC: &str = "transhume-backup ";
/// Rows read at a time: rows may be large, and a read is bounded in time.
const PAGE: usize = 200;
/// Left out: whoever was signed in signs in again, and who signed out meanwhile stays out; nodes, and what they wait for.
const LEFT_OUT: [&str; 3] = ["session", "node", "outcome"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The step of the tables.
    pub schema: i64,
    pub made_at: Timestamp,
    pub program: String,
    /// `sqlite` or `postgres`: where it comes from; it goes to either.
    pub database: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Int,
    Real,
    Text,
    Bytes,
}

/// A table as it is written: its columns in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Form {
    pub(super) table: String,
    pub(super) columns: Vec<(String, Kind)>,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) rows: BTreeMap<String, u64>,
    pub(super) sha256: String,
}

/// What was written, or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    pub header: Header,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
}

impl Contents {
    pub fn row_count(&self) -> u64 {
        self.rows.values().sum()
    }
}

/// Writes the whole database to a new file, while others work with it. `told` hears of each page: table and rows so far.
pub async fn write(
    store: &Store,
    file: &Path,
    now: Timestamp,
    told: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<Contents, StoreError> {
    let trouble = |error: std::io::Error| StoreError::Backup(format!("{}: {error}", file.display()));
    if file.exists() {
        return Err(StoreError::Backup(format!("{} is there already: name a new file", file.display())));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut target = tempfile::NamedTempFile::new_in(folder).map_err(trouble)?;
    writeln!(target, "{MAGIC}{FORMAT}").map_err(trouble)?;
    let mut snapshot = store.snapshot().await?;
    let header = header(&mut snapshot, now).await?;
    let packer = GzEncoder::new(std::io::BufWriter::new(target), Compression::fast());
    let mut lines = Lines { packer, digest: Context::new(&SHA256) };
    lines.put(&json!(header)).map_err(trouble)?;
    let mut rows = BTreeMap::new();
    for form in forms(&mut snapshot).await? {
        lines.put(&json!(form)).map_err(trouble)?;
        let key = key(&mut snapshot, &form.table).await?;
        let mut count = 0;
        let mut after = Vec::new();
        loop {
            let page = page(&mut snapshot, &form, &key, &after).await?;
            count += page.len() as u64;
            for row in &page {
                lines.put(&Value::Array(row.iter().map(written).collect())).map_err(trouble)?;
            }
            told(&form.table, count);
            let Some(last) = page.last().filter(|_| page.len() == PAGE) else { break };
            after = key.iter().map(|column| last[place(&form, column)].clone()).collect();
        }
        rows.insert(form.table, count);
    }
    snapshot.close().await?;
    let sha256 = HEXLOWER.encode(lines.digest.clone().finish().as_ref());
    lines.put(&json!(End { rows: rows.clone(), sha256 })).map_err(trouble)?;
    let inner = lines.packer.finish().map_err(trouble)?;
    let target = inner.into_inner().map_err(|error| trouble(error.into_error()))?;
    target.as_file().sync_all().map_err(trouble)?;
    target.persist_noclobber(file).map_err(|error| trouble(error.error))?;
    Ok(Contents { header, rows })
}

/// The lines of a file in the making.
struct Lines<W: Write> {
    packer: GzEncoder<W>,
    digest: Context,
}

impl<W: Write> Lines<W> {
    fn put(&mut self, line: &Value) -> std::io::Result<()> {
        let mut text = line.to_string();
        text.push('\n');
        self.digest.update(text.as_bytes());
        self.packer.write_all(text.as_bytes())
    }
}

async fn header(snapshot: &mut Snapshot, now: Timestamp) -> Result<Header, StoreError> {
    let rows = snapshot.rows("SELECT MAX(version) FROM _sqlx_migrations".into(), vec![]).await?;
    let Some([Cell::Int(schema)]) = rows.first().map(Vec::as_slice) else { return Err(StoreError::Empty) };
    let database = if snapshot.is_sqlite() { "sqlite" } else { "postgres" }.to_owned();
    Ok(Header { schema: *schema, made_at: now, program: env!("CARGO_PKG_VERSION").to_owned(), database })
}

/// Every table with its columns, but the steps and what is left out.
pub(super) async fn forms(snapshot: &mut Snapshot) -> Result<Vec<Form>, StoreError> {
    let mut forms = Vec::new();
    for table in snapshot.tables().await? {
        if LEFT_OUT.contains(&table.as_str()) {
            continue;
        }
        let mut columns = Vec::new();
        for (name, declared) in snapshot.columns(&table).await? {
            let kind = kind(&declared)
                .ok_or_else(|| StoreError::Unreadable(format!("column {table}.{name} is of the type {declared}")))?;
            columns.push((name, kind));
        }
        forms.push(Form { table, columns });
    }
    Ok(forms)
}

fn kind(declared: &str) -> Option<Kind> {
    match declared {
        "bigint" | "integer" | "smallint" => Some(Kind::Int),
        "double precision" => Some(Kind::Real),
        "text" => Some(Kind::Text),
        "bytea" => Some(Kind::Bytes),
        _ => None,
    }
}

async fn key(snapshot: &mut Snapshot, table: &str) -> Result<Vec<String>, StoreError> {
    let key = snapshot.primary_key(table).await?;
    match key.is_empty() {
        true => Err(StoreError::Unreadable(format!("table {table} has no primary key"))),
        false => Ok(key),
    }
}

fn place(form: &Form, column: &str) -> usize {
    form.columns.iter().position(|(name, _)| name == column).expect("a key is of columns")
}

async fn page(
    snapshot: &mut Snapshot,
    form: &Form,
    key: &[String],
    after: &[Cell],
) -> Result<Vec<Vec<Cell>>, StoreError> {
    let columns: Vec<&str> = form.columns.iter().map(|(name, _)| name.as_str()).collect();
    let key = key.join(", ");
    let marks: Vec<String> = (1..=after.len()).map(|number| format!("${number}")).collect();
    let beyond = if after.is_empty() { String::new() } else { format!(" WHERE ({key}) > ({})", marks.join(", ")) };
    let text = format!("SELECT {} FROM {}{beyond} ORDER BY {key} LIMIT {PAGE}", columns.join(", "), form.table);
    snapshot.rows(text, after.iter().cloned().map(bind).collect()).await
}

fn bind(cell: Cell) -> Bind {
    match cell {
        Cell::Null => Bind::MaybeInt(None),
        Cell::Int(value) => Bind::Int(value),
        Cell::Real(value) => Bind::Real(value),
        Cell::Text(value) => Bind::Text(value),
        Cell::Bytes(value) => Bind::MaybeBytes(Some(value)),
    }
}

fn written(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Int(value) => (*value).into(),
        Cell::Real(value) => format!("{value:?}").into(),
        Cell::Text(value) => value.as_str().into(),
        Cell::Bytes(value) => BASE64.encode(value).into(),
    }
}
