//! Floor 5: SQL, one source for two databases.
