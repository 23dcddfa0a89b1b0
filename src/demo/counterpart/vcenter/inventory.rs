//! The paper's workload: 25 servers on one host, 10 with Linux, 15 with Windows, 750 GB of disk.

use std::collections::BTreeMap;

use super::{Host, Power, Server};
use crate::base::time::Timestamp;

const HOST: &str = "host-1";
/// Each server has 30 GB; those with Windows keep their data apart.
const LINUX_DISKS: &[u64] = &[30_000_000_000];
const WINDOWS_DISKS: &[u64] = &[20_000_000_000, 10_000_000_000];

/// Role, how many, processors, memory, network.
const ROLES: &[(&str, u32, u32, u32, &str, Os)] = &[
    ("web", 4, 2, 4096, "VLAN-101", Os::Linux),
    ("app", 3, 4, 8192, "VLAN-102", Os::Linux),
    ("db", 2, 8, 16384, "VLAN-102", Os::Linux),
    ("monitor", 1, 2, 4096, "VLAN-101", Os::Linux),
    ("directory", 2, 2, 4096, "VLAN-101", Os::Windows),
    ("iis", 5, 2, 8192, "VLAN-101", Os::Windows),
    ("sql", 4, 8, 16384, "VLAN-102", Os::Windows),
    ("file", 2, 2, 4096, "VLAN-102", Os::Windows),
    ("desktop", 2, 4, 8192, "VLAN-101", Os::Windows),
];

#[derive(Clone, Copy)]
enum Os {
    Linux,
    Windows,
}

pub(super) fn host() -> Host {
    Host { moref: HOST.to_owned(), name: "esx-01.customer.example".to_owned() }
}

pub(super) fn servers() -> BTreeMap<String, Server> {
    let mut all = BTreeMap::new();
    for &(role, count, cpu, memory_mb, network, os) in ROLES {
        for at in 1..=count {
            let number = 101 + all.len();
            let (os, disks) = match os {
                Os::Linux => ("CentOS 7 (64-bit)", LINUX_DISKS),
                Os::Windows => ("Microsoft Windows Server 2012 (64-bit)", WINDOWS_DISKS),
            };
            let third = if network == "VLAN-101" { 1 } else { 2 };
            let one = Server {
                moref: format!("vm-{number}"),
                name: format!("{role}-{at:02}"),
                os: os.to_owned(),
                cpu,
                memory_mb,
                disks: disks.to_vec(),
                mac: format!("00:50:56:aa:00:{:02x}", number - 100),
                ip: format!("10.10.{third}.{}", number - 90),
                network: network.to_owned(),
                host: HOST.to_owned(),
                power: Power::On { tools: Timestamp(0) },
                snapshots: Vec::new(),
            };
            all.insert(one.moref.clone(), one);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workload_is_the_papers() {
        let all = servers();
        let linux = all.values().filter(|one| one.os.contains("CentOS")).count();
        let bytes: u64 = all.values().flat_map(|one| &one.disks).sum();
        assert_eq!((all.len(), linux, bytes), (25, 10, 750_000_000_000));
    }
}
