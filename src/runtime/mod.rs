//! Floor 6: where time passes. [`clock`] says what time it is; tokio tasks interpret what the sans-IO floors below say.

pub mod clock;
