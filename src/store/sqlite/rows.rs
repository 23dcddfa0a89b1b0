//! Rows as SQLite takes them: each value a parameter of its own, row by row.
//!
//! Rows repeat much: a text that equals the one above it in its column is shared with it instead of copied.

use super::{Arguments, Db};
use crate::store::table::{Table, size_for};
use sqlx::{Encode, Type};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Rows {
    arguments: Arguments,
    column: usize,
    above: Vec<Option<Arc<str>>>,
}

impl Rows {
    pub(super) fn of(table: &Table, rows: usize) -> Self {
        let width = table.key.len() + table.rest.len();
        let mut arguments = Arguments::default();
        sqlx::Arguments::reserve(&mut arguments, size_for(rows) * width, 0);
        Self { arguments, column: 0, above: vec![None; width] }
    }

    pub(super) fn next(&mut self) {
        self.column = 0;
    }

    pub(super) fn int(&mut self, value: Option<i64>) {
        self.put(value);
    }

    pub(super) fn small(&mut self, value: Option<i16>) {
        self.put(value);
    }

    pub(super) fn real(&mut self, value: Option<f64>) {
        self.put(value);
    }

    pub(super) fn text(&mut self, value: Option<&str>) {
        let above = &mut self.above[self.column];
        let value: Option<Arc<str>> = value.map(|value| match above {
            Some(above) if **above == *value => Arc::clone(above),
            Some(_) | None => Arc::clone(above.insert(value.into())),
        });
        self.put(value);
    }

    pub(super) fn bytes(&mut self, value: Option<&[u8]>) {
        self.put(value.map(<[u8]>::to_vec));
    }

    /// Parameters without a value are null: empty rows, which the statement passes over.
    pub(super) fn done(self) -> Arguments {
        self.arguments
    }

    fn put<'q, T: Encode<'q, Db> + Type<Db> + 'q>(&mut self, value: Option<T>) {
        sqlx::Arguments::add(&mut self.arguments, value).expect("numbers, texts and bytes can be sent");
        self.column += 1;
    }
}
