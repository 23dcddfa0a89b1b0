//! A commit that the server reports as done though it is not safe.
//!
//! With a synchronous standby, COMMIT waits until the standby has it. When that wait is cancelled (`pg_cancel_backend`), the server
//! says yes all the same, and only warns that the standby may not have it (PostgreSQL, `SyncRepWaitForLSN`): a fail-over would
//! lose it. The driver gives warnings to nobody but its log, so that one is listened to while a commit runs. No warning belongs
//! to a commit of ours: after any, it is looked into like one that was not confirmed. (A session that is ended while it waits
//! gets no yes; `statement_timeout` does not reach into a commit.)

use super::Db;
use sqlx::Transaction;
use std::cell::Cell;
use std::io;
use std::sync::LazyLock;
use tracing::instrument::WithSubscriber;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Where the driver logs what a server says beside its answers.
const NOTICES: &str = "sqlx::postgres::notice";

tokio::task_local! {
    static WARNED: Cell<bool>;
}

/// One for all: making one walks through every place that logs.
static LISTENER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Listener));

pub(in crate::store) async fn commit(transaction: Transaction<'_, Db>) -> Result<(), sqlx::Error> {
    let done = async {
        let done = transaction.commit().await;
        (done, WARNED.with(Cell::get))
    };
    match WARNED.scope(Cell::new(false), done.with_subscriber(LISTENER.clone())).await {
        (Ok(()), true) => {
            Err(sqlx::Error::Io(io::Error::other("the server warned at a commit: its standby may not have it")))
        }
        (done, _) => done,
    }
}

struct Listener;

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == NOTICES && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        // Outside of a commit nobody listens.
        let _nobody = WARNED.try_with(|warned| warned.set(true));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
