//! `vcenter.*`: VMware vCenter, SOAP vim25. The connection's address is that of `/sdk`.
//!
//! Reads have policy `retry`. Power, snapshots and hosts have policy `confirm`: each looks first whether what is wanted is so
//! already, and reports only a state that it has seen after its task has ended. A sign-in that is refused is the BPMN error
//! `AUTH`, for discovery alone: elsewhere it needs a person.

mod host;
mod inventory;
mod power;
mod property;
mod soap;

use super::Policy;
use super::registry::Topic;

const READ_SECONDS: u64 = 120;
const WRITE_SECONDS: u64 = 300;
/// A guest may take its ten minutes to stop; the input `timeout` is within this.
const SHUTDOWN_SECONDS: u64 = 3600;

pub(super) fn topics() -> Vec<Topic> {
    let (read, confirm) = (Policy::Retry, Policy::Confirm);
    vec![
        Topic::new("vcenter.inventory", read, READ_SECONDS, inventory::inventory),
        Topic::new("vcenter.vm-state", read, READ_SECONDS, power::state),
        Topic::new("vcenter.power-on", confirm, WRITE_SECONDS, power::on),
        Topic::new("vcenter.power-off", confirm, WRITE_SECONDS, power::off),
        Topic::new("vcenter.shutdown", confirm, SHUTDOWN_SECONDS, power::shutdown),
        Topic::new("vcenter.snapshot", confirm, WRITE_SECONDS, power::snapshot),
        Topic::new("vcenter.add-host", confirm, WRITE_SECONDS, host::add),
    ]
}
