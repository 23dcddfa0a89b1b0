//! The catalogue inside the binary: models, decisions and forms that the demo deploys, and the scripts of its handlers.

/// File name and content of everything that is deployed together.
pub const FILES: &[(&str, &[u8])] = &[
    ("analytics-scheduling.bpmn", include_bytes!("../../processes/analytics-scheduling.bpmn")),
    ("await-resource.bpmn", include_bytes!("../../processes/await-resource.bpmn")),
    ("bridge-vlan.bpmn", include_bytes!("../../processes/bridge-vlan.bpmn")),
    ("cutover.bpmn", include_bytes!("../../processes/cutover.bpmn")),
    ("discovery.bpmn", include_bytes!("../../processes/discovery.bpmn")),
    ("end-to-end.bpmn", include_bytes!("../../processes/end-to-end.bpmn")),
    ("exception.bpmn", include_bytes!("../../processes/exception.bpmn")),
    ("migrate-vr.bpmn", include_bytes!("../../processes/migrate-vr.bpmn")),
    ("network-teardown.bpmn", include_bytes!("../../processes/network-teardown.bpmn")),
    ("network.bpmn", include_bytes!("../../processes/network.bpmn")),
    ("notify.bpmn", include_bytes!("../../processes/notify.bpmn")),
    ("order-by-ticket.bpmn", include_bytes!("../../processes/order-by-ticket.bpmn")),
    ("order-resource.bpmn", include_bytes!("../../processes/order-resource.bpmn")),
    ("provision.bpmn", include_bytes!("../../processes/provision.bpmn")),
    ("release-resources.bpmn", include_bytes!("../../processes/release-resources.bpmn")),
    ("remediation-test.bpmn", include_bytes!("../../processes/remediation-test.bpmn")),
    ("steady-state.bpmn", include_bytes!("../../processes/steady-state.bpmn")),
    ("stop-server.bpmn", include_bytes!("../../processes/stop-server.bpmn")),
    ("wave.bpmn", include_bytes!("../../processes/wave.bpmn")),
    ("blockers.dmn", include_bytes!("../../processes/blockers.dmn")),
    ("crypto-policy.dmn", include_bytes!("../../processes/crypto-policy.dmn")),
    ("demand.dmn", include_bytes!("../../processes/demand.dmn")),
    ("known-errors.dmn", include_bytes!("../../processes/known-errors.dmn")),
    ("prefix-overlap.dmn", include_bytes!("../../processes/prefix-overlap.dmn")),
    ("sizing.dmn", include_bytes!("../../processes/sizing.dmn")),
    ("tool-choice.dmn", include_bytes!("../../processes/tool-choice.dmn")),
    ("commit-or-roll-back.form", include_bytes!("../../modeler-assets/forms/commit-or-roll-back.form")),
    ("connection-test.form", include_bytes!("../../modeler-assets/forms/connection-test.form")),
    ("cost-approval.form", include_bytes!("../../modeler-assets/forms/cost-approval.form")),
    ("drift.form", include_bytes!("../../modeler-assets/forms/drift.form")),
    ("edit-plan.form", include_bytes!("../../modeler-assets/forms/edit-plan.form")),
    ("exception.form", include_bytes!("../../modeler-assets/forms/exception.form")),
    ("force-stop.form", include_bytes!("../../modeler-assets/forms/force-stop.form")),
    ("go-no-go.form", include_bytes!("../../modeler-assets/forms/go-no-go.form")),
    ("import-mapping.form", include_bytes!("../../modeler-assets/forms/import-mapping.form")),
    ("instruction.form", include_bytes!("../../modeler-assets/forms/instruction.form")),
    ("network-data.form", include_bytes!("../../modeler-assets/forms/network-data.form")),
    ("network-decision.form", include_bytes!("../../modeler-assets/forms/network-decision.form")),
    ("on-premise-confirmation.form", include_bytes!("../../modeler-assets/forms/on-premise-confirmation.form")),
    ("ownership.form", include_bytes!("../../modeler-assets/forms/ownership.form")),
    ("rest.form", include_bytes!("../../modeler-assets/forms/rest.form")),
    ("sign-off.form", include_bytes!("../../modeler-assets/forms/sign-off.form")),
    ("verdict.form", include_bytes!("../../modeler-assets/forms/verdict.form")),
    ("waiver.form", include_bytes!("../../modeler-assets/forms/waiver.form")),
    ("wave-approval.form", include_bytes!("../../modeler-assets/forms/wave-approval.form")),
];

/// Scripts by name.
pub const SCRIPTS: &[(&str, &str)] = &[("gateway-vyos-1.4", include_str!("../../scripts/gateway-vyos-1.4.rhai"))];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_model_decision_and_form_is_in_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut wanted = BTreeSet::new();
        for (folder, endings) in [("processes", [".bpmn", ".dmn"]), ("modeler-assets/forms", [".form", ".form"])] {
            let entries = std::fs::read_dir(root.join(folder)).expect("the folder is there").filter_map(Result::ok);
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            wanted.extend(names.filter(|name| endings.iter().any(|ending| name.ends_with(ending))));
        }
        let held: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(held, wanted);
    }
}
