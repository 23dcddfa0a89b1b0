//! Floor 4: group commit, sans-IO.
