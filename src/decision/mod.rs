//! Floor 2: FEEL and DMN behind traits.
