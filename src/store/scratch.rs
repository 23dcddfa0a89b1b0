//! Databases that live as long as a suite of process tests: made on a PostgreSQL server under a name that nobody has, and
//! emptied between its cases.

use crate::store::{Store, StoreError, table};
use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use sqlx::Postgres;
use sqlx::migrate::MigrateDatabase;
use url::Url;

/// Makes an empty database on the server of this address, and gives its own address.
pub async fn create(server: &str) -> Result<String, StoreError> {
    let mut address = Url::parse(server).map_err(|_| StoreError::Address(server.to_owned()))?;
    let mut name = [0; 8];
    rand::fill(&mut name).map_err(|_| StoreError::Failed("the system gives no random numbers".into()))?;
    address.set_path(&format!("/transhume_case_{}", HEXLOWER.encode(&name)));
    Postgres::create_database(address.as_str()).await?;
    Ok(address.into())
}

pub async fn remove(address: &str) -> Result<(), StoreError> {
    Ok(Postgres::force_drop_database(address).await?)
}

impl Store {
    /// Deletes all that transactions have written, and forgets who owned it.
    pub async fn clear(&self) -> Result<(), StoreError> {
        // What refers to others goes first.
        let tables = table::ALL.iter().rev().map(|table| table.name).chain(["partition"]);
        self.write(tables.map(|name| (format!("DELETE FROM {name}"), Vec::new())).collect()).await.map(|_| ())
    }
}
