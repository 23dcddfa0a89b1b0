//! Floor 8: the demo, which serves what it plays. [`run`] plays it; [`counterpart`] are the outside systems on loopback, [`people`] the played people,
//! [`clock`] and [`conductor`] the shared virtual time, [`kept`] files that a kill leaves whole, [`segments`] the table beside the paper's, [`undone`] what a
//! rolled-back wave undid, [`view`] what the page shows.

pub mod catalogue;
mod client;
pub mod clock;
mod conductor;
pub mod counterpart;
mod kept;
mod people;
mod progress;
pub mod run;
mod segments;
mod undone;
mod view;
