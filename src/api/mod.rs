//! Floor 7: REST.

pub mod assets;
mod auth;
mod error;
mod json;
mod params;
mod value;
mod wire;
