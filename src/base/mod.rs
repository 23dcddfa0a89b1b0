//! Floor 0: words that every floor speaks: ids, time, variables, diagnostics, limits, access.

pub mod access;
pub mod diagnostic;
pub mod feel;
pub mod id;
pub mod limits;
pub mod mark;
pub mod planted;
pub mod time;
pub mod variable;
