//! The property collector: which objects, which of their properties, in pages. Paths as vim25 names them.

use super::{Answer, Fault, Host, Kept, Server, Service, State, Task, VIM, gone, text};
use crate::base::time::Timestamp;
use crate::xml::{ElementRef, escaped_text};

/// A page holds at most this many objects, whatever is asked for.
const PAGE_MAX: usize = 100;
/// Where datacenter and folders stand; there is one of each.
const DATACENTER: &str = "datacenter-2";

impl Service {
    pub(super) fn create_view(&self, asked: ElementRef<'_>) -> String {
        let kinds =
            asked.children().filter(|child| child.is(VIM, "type")).map(|child| child.text().into_owned()).collect();
        let mut kept = self.kept();
        kept.next += 1;
        let view = format!("view-{}", kept.next);
        kept.views.insert(view.clone(), kinds);
        format!("<returnval type=\"ContainerView\">{view}</returnval>")
    }

    pub(super) fn retrieve(&self, asked: ElementRef<'_>) -> Answer {
        let spec = asked.child(VIM, "specSet");
        let spec = spec.ok_or_else(|| Fault::new("InvalidArgument", "no specSet"))?;
        let most = asked.child(VIM, "options").and_then(|options| text(options, "maxObjects").parse().ok());
        let page = most.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let mut objects = Vec::new();
        for set in spec.children().filter(|child| child.is(VIM, "objectSet")) {
            let Some(object) = set.child(VIM, "obj") else {
                continue;
            };
            self.collect(object, spec, &mut objects)?;
        }
        if objects.is_empty() {
            return Ok(String::new());
        }
        Ok(self.page(objects, page))
    }

    pub(super) fn go_on(&self, token: &str) -> Answer {
        let rest = self.kept().pages.remove(token);
        let rest = rest.ok_or_else(|| Fault::new("InvalidProperty", "The token is not known."))?;
        Ok(self.page(rest, PAGE_MAX))
    }

    fn page(&self, mut objects: Vec<String>, page: usize) -> String {
        let rest = objects.split_off(objects.len().min(page));
        let mut token = String::new();
        if !rest.is_empty() {
            let mut kept = self.kept();
            kept.next += 1;
            let name = format!("page-{}", kept.next);
            token = format!("<token>{name}</token>");
            kept.pages.insert(name, rest);
        }
        format!("<returnval>{token}{}</returnval>", objects.concat())
    }

    fn collect(&self, object: ElementRef<'_>, spec: ElementRef<'_>, into: &mut Vec<String>) -> Result<(), Fault> {
        let moref = object.text().into_owned();
        let kind = object.attribute("type").unwrap_or_default();
        let targets = self.world.look(|state, _| {
            let state = self.side.of(state);
            match kind {
                "ContainerView" => viewed(state, &self.kept(), &moref),
                kind => Some(vec![(kind.to_owned(), moref.clone())]),
            }
        });
        let targets = targets.ok_or_else(|| gone(&moref))?;
        for (kind, moref) in targets {
            let paths = paths(spec, &kind);
            let running = kind == "Task" && self.kept().asked.insert(moref.clone());
            let found =
                self.world.look(|state, now| describe(self.side.of(state), &kind, &moref, &paths, running, now));
            into.push(found.ok_or_else(|| gone(&moref))?);
        }
        Ok(())
    }
}

/// The objects below the root folder that a view was made for.
fn viewed(state: &State, kept: &Kept, view: &str) -> Option<Vec<(String, String)>> {
    let mut all = Vec::new();
    for kind in kept.views.get(view)? {
        let morefs: Vec<String> = match kind.as_str() {
            "VirtualMachine" => state.servers.keys().cloned().collect(),
            "HostSystem" => state.hosts.iter().map(|host| host.moref.clone()).collect(),
            "Network" => networks(state),
            "Datacenter" => vec![DATACENTER.to_owned()],
            _ => Vec::new(),
        };
        all.extend(morefs.into_iter().map(|moref| (kind.clone(), moref)));
    }
    Some(all)
}

fn networks(state: &State) -> Vec<String> {
    let mut names: Vec<String> = state.servers.values().map(|one| one.network.clone()).collect();
    names.sort();
    names.dedup();
    names
}

fn paths<'d>(spec: ElementRef<'d>, kind: &str) -> Vec<String> {
    spec.children()
        .filter(|child| child.is(VIM, "propSet") && text(*child, "type") == kind)
        .flat_map(|set| set.children().filter(|child| child.is(VIM, "pathSet")))
        .map(|path| path.text().into_owned())
        .collect()
}

/// The value of a path, of one object.
type Read<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;

fn describe(state: &State, kind: &str, moref: &str, paths: &[String], running: bool, now: Timestamp) -> Option<String> {
    let value: Read<'_> = match kind {
        "VirtualMachine" => {
            let one = state.servers.get(moref)?;
            Box::new(move |path| server(one, path, now))
        }
        "HostSystem" => {
            let one = state.hosts.iter().find(|host| host.moref == moref)?;
            Box::new(move |path| host(one, path))
        }
        "Network" => Box::new(|path| (path == "name").then(|| string(moref))),
        "Datacenter" => Box::new(|path| match path {
            "name" => Some(string("datacenter")),
            "hostFolder" => Some(reference("Folder", "group-h4")),
            "vmFolder" => Some(reference("Folder", "group-v3")),
            _ => None,
        }),
        "Task" => {
            let one = state.tasks.get(moref)?;
            Box::new(move |path| task(one, path, running))
        }
        _ => return None,
    };
    let properties: String = paths
        .iter()
        .filter_map(|path| {
            value(path).map(|value| format!("<propSet><name>{}</name>{value}</propSet>", escaped_text(path)))
        })
        .collect();
    Some(format!("<objects><obj type=\"{kind}\">{}</obj>{properties}</objects>", escaped_text(moref)))
}

fn server(one: &Server, path: &str, now: Timestamp) -> Option<String> {
    let on = one.is_on(now);
    let tools = one.tools_run(now);
    Some(match path {
        "name" => string(&one.name),
        "config.guestFullName" => string(&one.os),
        "config.hardware.numCPU" => typed("xsd:int", &one.cpu.to_string()),
        "config.hardware.memoryMB" => typed("xsd:int", &one.memory_mb.to_string()),
        "config.hardware.device" => devices(one),
        "config.version" => string("vmx-13"),
        "config.changeTrackingEnabled" => typed("xsd:boolean", "true"),
        "runtime.powerState" => {
            let word = if on { "poweredOn" } else { "poweredOff" };
            typed("VirtualMachinePowerState", word)
        }
        "runtime.host" if !one.host.is_empty() => reference("HostSystem", &one.host),
        "guest.toolsRunningStatus" => string(match tools {
            true => "guestToolsRunning",
            false => "guestToolsNotRunning",
        }),
        "guest.hostName" if tools => string(&one.name),
        "guest.ipAddress" if tools => string(&one.ip),
        "guest.net" if tools => format!(
            "<val xsi:type=\"ArrayOfGuestNicInfo\"><GuestNicInfo><network>{}</network><ipAddress>{}</ipAddress><macAddress>{}</macAddress><connected>true</connected><deviceConfigId>4000</deviceConfigId></GuestNicInfo></val>",
            one.network, one.ip, one.mac
        ),
        "snapshot" if !one.snapshots.is_empty() => snapshots(one),
        _ => return None,
    })
}

fn devices(one: &Server) -> String {
    let disks = one.disks.iter().enumerate().map(|(at, bytes)| {
        format!(
            "<VirtualDevice xsi:type=\"VirtualDisk\"><key>{}</key><deviceInfo><label>Hard disk {}</label><summary>disk</summary></deviceInfo><capacityInKB>{}</capacityInKB><capacityInBytes>{bytes}</capacityInBytes></VirtualDevice>",
            2000 + at,
            at + 1,
            bytes / 1024,
        )
    });
    let disks: String = disks.collect();
    format!(
        "<val xsi:type=\"ArrayOfVirtualDevice\">{disks}<VirtualDevice xsi:type=\"VirtualVmxnet3\"><key>4000</key><backing xsi:type=\"VirtualEthernetCardNetworkBackingInfo\"><deviceName>{}</deviceName></backing><addressType>assigned</addressType><macAddress>{}</macAddress></VirtualDevice></val>",
        one.network, one.mac
    )
}

fn snapshots(one: &Server) -> String {
    let list: String = one
        .snapshots
        .iter()
        .map(|snapshot| {
            let at = jiff::Timestamp::from_millisecond(snapshot.at.0).unwrap_or_default();
            format!(
                "<rootSnapshotList><snapshot type=\"VirtualMachineSnapshot\">{}</snapshot><vm type=\"VirtualMachine\">{}</vm><name>{}</name><createTime>{at}</createTime></rootSnapshotList>",
                snapshot.moref,
                one.moref,
                escaped_text(&snapshot.name),
            )
        })
        .collect();
    format!("<val xsi:type=\"VirtualMachineSnapshotInfo\">{list}</val>")
}

fn host(one: &Host, path: &str) -> Option<String> {
    Some(match path {
        "name" => string(&one.name),
        "runtime.connectionState" => typed("HostSystemConnectionState", "connected"),
        "summary.hardware.numCpuCores" => typed("xsd:short", "32"),
        "summary.hardware.memorySize" => typed("xsd:long", "274877906944"),
        _ => return None,
    })
}

/// A task runs when it is first asked for, and has ended at the second time.
fn task(one: &Task, path: &str, running: bool) -> Option<String> {
    if path != "info" {
        return None;
    }
    let outcome = match (&one.result, &one.fault) {
        _ if running => "<state>running</state><progress>50</progress>".to_owned(),
        (_, Some((kind, words))) => format!(
            "<state>error</state><error><fault xsi:type=\"{kind}\"/><localizedMessage>{}</localizedMessage></error>",
            escaped_text(words)
        ),
        (Some((kind, moref)), None) => format!(
            "<state>success</state><result type=\"{kind}\" xsi:type=\"ManagedObjectReference\">{moref}</result>"
        ),
        (None, None) => "<state>success</state>".to_owned(),
    };
    Some(format!(
        "<val xsi:type=\"TaskInfo\"><key>{0}</key><task type=\"Task\">{0}</task><entity type=\"ManagedEntity\">{1}</entity>{outcome}</val>",
        one.moref, one.entity
    ))
}

fn string(text: &str) -> String {
    typed("xsd:string", text)
}

fn typed(kind: &str, text: &str) -> String {
    format!("<val xsi:type=\"{kind}\">{}</val>", escaped_text(text))
}

fn reference(kind: &str, moref: &str) -> String {
    format!("<val type=\"{kind}\" xsi:type=\"ManagedObjectReference\">{moref}</val>")
}
