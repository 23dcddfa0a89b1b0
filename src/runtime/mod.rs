//! Floor 6: where time passes.
