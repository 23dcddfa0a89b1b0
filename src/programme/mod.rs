//! Floor 4: stages and waves of a migration.
