//! The databases behind `Store`: equal to the maps of the in-memory one, and safe where sqlx, SQLite or PostgreSQL are not.

mod differential;
mod hazards;
mod planted;
mod random;
mod together;
