//! Rows as PostgreSQL takes them: each column one array, whatever the number of rows; `UNNEST` makes them rows again.
//!
//! A parameter for each value costs the server more than the rows themselves.

use super::{Arguments, Db};
use crate::store::table::Table;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
use sqlx::{Encode, Type};

#[derive(Debug)]
pub(super) struct Rows {
    columns: Vec<Column>,
    column: usize,
    rows: usize,
}

/// An array in the making, as it goes over the wire: length and bytes of each element.
#[derive(Debug)]
struct Column {
    kind: Kind,
    bytes: Vec<u8>,
    count: i32,
    has_null: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Int,
    Small,
    Real,
    Text,
    Bytes,
}

impl Rows {
    pub(super) fn of(table: &Table, rows: usize) -> Self {
        Self { columns: Vec::with_capacity(table.key.len() + table.rest.len()), column: 0, rows }
    }

    pub(super) fn next(&mut self) {
        self.column = 0;
    }

    pub(super) fn int(&mut self, value: Option<i64>) {
        self.put(Kind::Int, value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }

    pub(super) fn small(&mut self, value: Option<i16>) {
        self.put(Kind::Small, value.map(i16::to_be_bytes).as_ref().map(<[u8; 2]>::as_slice));
    }

    pub(super) fn real(&mut self, value: Option<f64>) {
        self.put(Kind::Real, value.map(f64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }

    pub(super) fn text(&mut self, value: Option<&str>) {
        self.put(Kind::Text, value.map(str::as_bytes));
    }

    pub(super) fn bytes(&mut self, value: Option<&[u8]>) {
        self.put(Kind::Bytes, value);
    }

    pub(super) fn done(self) -> Arguments {
        let mut arguments = Arguments::default();
        let bytes = self.columns.iter().map(|column| column.bytes.len() + 24).sum();
        sqlx::Arguments::reserve(&mut arguments, self.columns.len(), bytes);
        for column in self.columns {
            sqlx::Arguments::add(&mut arguments, column).expect("an array below 2 GiB can be sent");
        }
        arguments
    }

    fn put(&mut self, kind: Kind, value: Option<&[u8]>) {
        if self.column == self.columns.len() {
            let bytes = Vec::with_capacity(self.rows * 12);
            self.columns.push(Column { kind, bytes, count: 0, has_null: false });
        }
        self.columns[self.column].put(value);
        self.column += 1;
    }
}

impl Column {
    fn put(&mut self, value: Option<&[u8]>) {
        let length = value.map_or(-1, |value| i32::try_from(value.len()).expect("a value is below 2 GiB"));
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.count += 1;
        self.has_null |= value.is_none();
    }
}

impl Kind {
    /// The number of the element's type in every PostgreSQL.
    fn oid(self) -> u32 {
        match self {
            Self::Int => 20,
            Self::Small => 21,
            Self::Real => 701,
            Self::Text => 25,
            Self::Bytes => 17,
        }
    }

    fn array(self) -> PgTypeInfo {
        match self {
            Self::Int => <Vec<i64> as Type<Db>>::type_info(),
            Self::Small => <Vec<i16> as Type<Db>>::type_info(),
            Self::Real => <Vec<f64> as Type<Db>>::type_info(),
            Self::Text => <Vec<String> as Type<Db>>::type_info(),
            Self::Bytes => <Vec<Vec<u8>> as Type<Db>>::type_info(),
        }
    }
}

impl Type<Db> for Column {
    fn type_info() -> PgTypeInfo {
        Kind::Text.array()
    }
}

impl Encode<'_, Db> for Column {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.array())
    }

    /// One dimension that begins with 1.
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        for number in [1, i32::from(self.has_null)] {
            buffer.extend_from_slice(&number.to_be_bytes());
        }
        buffer.extend_from_slice(&self.kind.oid().to_be_bytes());
        for number in [self.count, 1] {
            buffer.extend_from_slice(&number.to_be_bytes());
        }
        buffer.extend_from_slice(&self.bytes);
        Ok(IsNull::No)
    }
}
