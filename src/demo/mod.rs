//! Floor 7: the demo's counterparts, people and clock.

pub mod counterpart;
