//! What can go wrong with a database, in the words of the one who operates it.

/// The store could not do it. Nothing was changed, unless the words say otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0:?} is no database address: use sqlite:FILE or postgres://USER@HOST[,HOST…]/NAME")]
    Address(String),
    #[error("the hosts in the database's address: {0}")]
    Hosts(String),
    #[error("the database does not answer: {0}")]
    Away(String),
    /// SQLITE_CANTOPEN.
    #[error(
        "the database's file cannot be opened: its folder must be there, and this user must be able to write in it"
    )]
    File,
    #[error("the database did not answer within {0} ms")]
    Deadline(u64),
    /// `shared`: the disk of a server that others use too, and not this one's own.
    #[error("the disk of the database is full: free space, then work goes on by itself")]
    Full { shared: bool },
    #[error("the partition has another owner now")]
    Fenced,
    #[error("the database refused the data: {0}")]
    Refused(String),
    #[error("a stored row cannot be read: {0}")]
    Unreadable(String),
    #[error("the tables cannot be brought up to date: {0}")]
    Migration(String),
    #[error(
        "the tables stand at step {step}, this program's at {last}: stop every node that is older, run `transhume upgrade \
         --database …`, then start again"
    )]
    Older { step: i64, last: i64 },
    #[error(
        "the tables stand at step {step}, which a newer program made; this one knows {last}: use the newer program"
    )]
    Newer { step: i64, last: i64 },
    #[error("the database is empty: nothing of this program is in it")]
    Empty,
    #[error("{0}")]
    Backup(String),
    #[error("the database failed: {0}")]
    Failed(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inside) => {
                let code = inside.code().unwrap_or_default();
                match code.as_ref() {
                    // SQLite: SQLITE_FULL, SQLITE_IOERR_SHMSIZE; PostgreSQL: disk_full
                    "13" | "4874" => Self::Full { shared: false },
                    "53100" => Self::Full { shared: true },
                    "14" => Self::File,
                    // PostgreSQL: data exception, integrity violation; SQLite: SQLITE_CONSTRAINT and its kinds
                    code if code.len() == 5 && (code.starts_with("22") || code.starts_with("23")) => {
                        Self::Refused(inside.message().to_owned())
                    }
                    code if code.parse::<i32>().is_ok_and(|code| code & 0xff == 19) && code.len() < 5 => {
                        Self::Refused(inside.message().to_owned())
                    }
                    // PostgreSQL: connection exception, shutting down, a standby
                    code if code.len() == 5
                        && (code.starts_with("08") || code.starts_with("57P") || code == "25006") =>
                    {
                        Self::Away(inside.message().to_owned())
                    }
                    _ => Self::Failed(error.to_string()),
                }
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Unreadable(error.to_string())
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Away(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}
