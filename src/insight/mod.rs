//! Floor 4: figures from history records.
