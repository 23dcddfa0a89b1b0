//! Floor 5: topics and the outside world.
