//! Floor 6: process tests.
