//! The REST interface: rules of the dialect through the router in process, recorded exchanges and existing clients over a
//! served port.

mod audit;
mod bad_input;
mod batches;
mod decision_history;
mod decisions;
mod description;
mod dialect;
mod filters;
mod forms;
mod identity;
mod lists;
mod logs;
mod many;
mod models;
mod modification;
mod notes;
mod operations;
mod product;
mod repeats;
mod replay;
mod retention;
mod rights;
mod server;
mod tenants;
mod tokens;
mod variables;
mod work;
