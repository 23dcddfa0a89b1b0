//! The only integration binary: one link step, one server of each kind for all tests.

mod api;
mod bad_input;
mod check;
mod clients;
mod demo;
mod dmn;
mod docs;
mod faults;
mod handlers;
mod marks;
mod nodes;
mod operations;
mod scenarios;
mod sim;
mod store;
mod suites;
mod support;
mod tidy;
