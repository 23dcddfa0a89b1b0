//! Floor 4: invariants and the token oracle.
