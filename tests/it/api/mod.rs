//! The REST interface: rules of the dialect through the router in process, recorded exchanges and existing clients over a
//! served port.

mod clients;
mod dialect;
mod product;
mod replay;
mod server;
