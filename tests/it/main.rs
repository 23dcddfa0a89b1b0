//! The only integration binary: one link step, one server of each kind for all tests.

mod handlers;
mod sim;
mod store;
mod suites;
mod support;
mod tidy;
