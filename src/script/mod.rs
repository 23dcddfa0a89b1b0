//! Floor 2: JUEL expressions and Rhai scripts.
