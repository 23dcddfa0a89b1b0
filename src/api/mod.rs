//! Floor 7: REST.

pub mod assets;
