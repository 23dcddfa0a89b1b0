//! The statements of a commit, made one after the other: while the database works on one, the next is made.

use super::super::{Arguments, MARKS};
use super::bind::Binder;
use crate::store::table::{Mode, Table, text};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Texts by table, mode and size; a text is made once per connection and kept.
pub(super) type Texts = BTreeMap<(&'static str, Mode, usize), Arc<str>>;

#[derive(Debug)]
pub(super) struct Statement {
    pub(super) table: &'static str,
    pub(super) text: Arc<str>,
    pub(super) arguments: Arguments,
    /// Rows it must touch, where fewer or more mean that something is wrong.
    pub(super) exactly: Option<usize>,
}

/// Binds the row with this number.
type BindRow<'a> = Box<dyn Fn(&mut Binder, usize) + Send + Sync + 'a>;

struct Part<'a> {
    table: &'static Table,
    mode: Mode,
    rows: usize,
    bind: BindRow<'a>,
}

#[derive(Default)]
pub(super) struct Plan<'a> {
    parts: Vec<Part<'a>>,
}

impl<'a> Plan<'a> {
    /// Nothing where there are no rows.
    pub(super) fn add<R: Copy + Send + Sync + 'a>(
        &mut self,
        mode: Mode,
        table: &'static Table,
        rows: Vec<R>,
        bind: impl Fn(&mut Binder, R) + Send + Sync + 'a,
    ) {
        if !rows.is_empty() {
            let count = rows.len();
            let bind = Box::new(move |binder: &mut Binder, row: usize| bind(binder, rows[row]));
            self.parts.push(Part { table, mode, rows: count, bind });
        }
    }

    pub(super) fn statements(self, texts: &mut Texts) -> impl Iterator<Item = Statement> {
        let pieces = self.parts.into_iter().flat_map(|part| {
            let part = Arc::new(part);
            let mut from = 0;
            MARKS.chunks(part.rows).map(move |rows| {
                let range = from..from + rows;
                from += rows;
                (part.clone(), range)
            })
        });
        pieces.map(|(part, range)| part.statement(range, texts))
    }
}

impl Part<'_> {
    fn statement(&self, range: Range<usize>, texts: &mut Texts) -> Statement {
        let rows = range.len();
        let size = MARKS.size(rows);
        let key = (self.table.name, self.mode, size);
        let text = texts.entry(key).or_insert_with(|| text(self.table, self.mode, size, MARKS).into()).clone();
        let mut binder = Binder::of(self.table, rows);
        for row in range {
            binder.next_row();
            (self.bind)(&mut binder, row);
        }
        let exactly = (self.mode == Mode::Insert).then_some(rows);
        Statement { table: self.table.name, text, arguments: binder.done(), exactly }
    }
}
