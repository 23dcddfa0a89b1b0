//! What is shown of things that only some installations have: programmes, and the demo's clock. The REST interface asks
//! through these; whoever starts the server puts them in.

use crate::base::access::Access;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// Programmes and how far their servers are. The shapes are `Programme` and `Stages` of `web/src/api/types.ts`.
pub trait ProgrammeView: Send + Sync {
    fn programmes<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Vec<Value>>;

    /// `None`: there is no such programme for this caller.
    fn stages<'a>(&'a self, access: &'a Access, programme: &'a str) -> BoxFuture<'a, Option<Value>>;
}

/// The demo's clock. The shape is `Demo` of `web/src/api/types.ts`.
pub trait DemoControl: Send + Sync {
    fn state(&self) -> Value;

    /// Applies what is given; the words of an error are for the person who asked.
    fn change(&self, change: DemoChange) -> Result<(), String>;
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DemoChange {
    pub speed: Option<Speed>,
    pub paused: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Virtual seconds per real second.
    Times(f64),
    Max,
}
