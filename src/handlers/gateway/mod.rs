//! `gateway.*`: a router's configuration over SSH, with a dialect's words in a script and the device's own safety net.
//!
//! What reaches the device is a list of lines in a strict grammar ([`mod@line`]); a line names a secret as `secret://name`, and its text
//! goes in at the moment of sending. Policy `confirm`: a repeat compares first, so a commit that took effect is not made
//! twice. Options of the connection: `dialect` (`vyos-1.4`).

mod device;
mod line;
mod push;
mod render;
mod state;

use super::Policy;
use super::registry::Topic;

pub(super) use state::{measured, ping};

const READ_SECONDS: u64 = 60;
const WRITE_SECONDS: u64 = 600;

pub(super) fn topics() -> Vec<Topic> {
    let (read, confirm) = (Policy::Retry, Policy::Confirm);
    vec![
        Topic::new("gateway.render", read, READ_SECONDS, render::render),
        Topic::new("gateway.push", confirm, WRITE_SECONDS, push::push),
        Topic::new("gateway.load-previous", confirm, WRITE_SECONDS, push::load_previous),
        Topic::new("gateway.bridge", confirm, WRITE_SECONDS, push::bridge),
        Topic::new("gateway.remove", confirm, WRITE_SECONDS, push::remove),
        Topic::new("gateway.tunnel-state", read, READ_SECONDS, state::tunnel),
    ]
}
