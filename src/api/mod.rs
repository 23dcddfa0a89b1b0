//! Floor 7: REST.
