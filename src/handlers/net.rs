//! Outgoing addresses: resolve, check every address, connect to the checked one; literal addresses too.
//!
//! Refused are all that are not the public internet, and every form in which an IPv4 address hides in an IPv6 one. An
//! administrator may allow networks, hosts and ports, and loopback by its own switch; a metadata service (whoever
//! reaches it holds the machine's credentials) cannot be allowed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// What an administrator allowed beyond the public internet, for a connection or a tenant.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Allow {
    /// The machine itself; the demo's tenant alone needs it.
    pub loopback: bool,
    pub networks: Vec<Network>,
    /// Names whose addresses may be private.
    pub hosts: Vec<String>,
    /// Empty: any port.
    pub ports: Vec<u16>,
}

/// An address with a prefix length, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NetError {
    #[error("{address} is refused: {reason}. An administrator can allow it for this connection or tenant")]
    Refused { address: String, reason: &'static str },
    #[error("{address} is refused: {reason}. It cannot be allowed")]
    Never { address: String, reason: &'static str },
    #[error("port {port} is refused: allowed are {allowed:?}")]
    Port { port: u16, allowed: Vec<u16> },
    #[error("{host} has no address: {reason}")]
    Unknown { host: String, reason: String },
    #[error("no answer from {host}:{port} within {} s", within.as_secs_f32())]
    Silent { host: String, port: u16, within: Duration },
    #[error("cannot connect to {host}:{port}: {reason}")]
    Closed { host: String, port: u16, reason: String },
}

impl NetError {
    /// Trying again does not help.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Never { .. } | Self::Port { .. } => true,
            Self::Unknown { .. } | Self::Silent { .. } | Self::Closed { .. } => false,
        }
    }
}

/// May be connected to: `Ok`, or why not.
pub fn check(address: IpAddr, host: &str, allow: &Allow) -> Result<(), NetError> {
    let refused = match kind(address) {
        Reach::Public => return Ok(()),
        Reach::Never(reason) => {
            let address = address.to_string();
            return Err(NetError::Never { address, reason });
        }
        Reach::Loopback if allow.loopback => return Ok(()),
        Reach::Loopback => "it is this machine",
        Reach::Inner(reason) => reason,
    };
    let named = allow.hosts.iter().any(|name| name.eq_ignore_ascii_case(host));
    let inner = matches!(kind(address), Reach::Inner(_));
    if inner && (named || allow.networks.iter().any(|net| net.contains(address))) {
        return Ok(());
    }
    Err(NetError::Refused { address: address.to_string(), reason: refused })
}

/// All addresses of `host`, each checked: one bad among them refuses the whole name.
pub async fn resolve(host: &str, port: u16, allow: &Allow) -> Result<Vec<SocketAddr>, NetError> {
    if !allow.ports.is_empty() && !allow.ports.contains(&port) {
        let allowed = allow.ports.clone();
        return Err(NetError::Port { port, allowed });
    }
    let unknown = |reason: String| NetError::Unknown { host: host.to_owned(), reason };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => lookup_host((bare, port)).await.map_err(|error| unknown(error.to_string()))?.collect(),
    };
    if found.is_empty() {
        return Err(unknown("the name service knows none".to_owned()));
    }
    for address in &found {
        check(address.ip(), host, allow)?;
    }
    Ok(found)
}

/// A connection to one of the checked addresses.
pub async fn connect(host: &str, port: u16, allow: &Allow, within: Duration) -> Result<TcpStream, NetError> {
    let attempt = async {
        let addresses = resolve(host, port, allow).await?;
        let stream = TcpStream::connect(addresses.as_slice()).await;
        let stream =
            stream.map_err(|error| NetError::Closed { host: host.to_owned(), port, reason: error.to_string() })?;
        // small requests and answers alternate; waiting to fill a packet only delays them
        let _ = stream.set_nodelay(true);
        Ok(stream)
    };
    match timeout(within, attempt).await {
        Ok(result) => result,
        Err(_) => Err(NetError::Silent { host: host.to_owned(), port, within }),
    }
}

enum Reach {
    Public,
    Loopback,
    Inner(&'static str),
    Never(&'static str),
}

fn kind(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

fn kind_v4(address: Ipv4Addr) -> Reach {
    let within = |network: [u8; 4], bits: u8| {
        let network = Network { address: IpAddr::V4(network.into()), bits };
        network.contains(IpAddr::V4(address))
    };
    match address.octets() {
        [169, 254, 169, 254] | [169, 254, 170, 2] | [100, 100, 100, 200] | [192, 0, 0, 192] => {
            Reach::Never("it is a metadata service")
        }
        [0, ..] => Reach::Never("it is no address of a machine"),
        [127, ..] => Reach::Loopback,
        [10, ..] | [192, 168, ..] => Reach::Inner("it is private"),
        _ if within([172, 16, 0, 0], 12) => Reach::Inner("it is private"),
        _ if within([100, 64, 0, 0], 10) => Reach::Inner("it is shared address space"),
        [169, 254, ..] => Reach::Inner("it is link-local"),
        [192, 0, 0, _] => Reach::Inner("it is reserved for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Inner("it is reserved for documentation"),
        [192, 88, 99, _] => Reach::Never("it is a relay into another network"),
        _ if within([198, 18, 0, 0], 15) => Reach::Inner("it is reserved for measurements"),
        [224..=239, ..] => Reach::Never("it is multicast"),
        [240..=255, ..] => Reach::Never("it is no address of a machine"),
        _ => Reach::Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> Reach {
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
    match address.segments() {
        _ if address == METADATA => Reach::Never("it is a metadata service"),
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never("it is no address of a machine"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Loopback,
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0, 0, 0, 0, 0, 0, ..] => {
            Reach::Never("it hides an IPv4 address; write that one")
        }
        [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => Reach::Never("it leads into another network"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0x0000..=0x0fff, ..] => Reach::Inner("it is reserved for documentation"),
        [0x100, 0, 0, 0, ..] => Reach::Never("it leads nowhere"),
        [0xfc00..=0xfdff, ..] => Reach::Inner("it is unique-local"),
        [0xfe80..=0xfebf, ..] => Reach::Inner("it is link-local"),
        [0xfec0..=0xfeff, ..] => Reach::Inner("it is site-local"),
        [0xff00..=0xffff, ..] => Reach::Never("it is multicast"),
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Never("it is no address of a machine"),
    }
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(own) & mask == u32::from(other) & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(own) & mask == u128::from(other) & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no network; write for example 10.0.0.0/8");
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            "" if !text.contains('/') => most,
            bits => bits.parse().map_err(|_| wrong())?,
        };
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reliability 8.4: what an address is without any permission, and whether an administrator can allow it.
    const TABLE: &[(&str, &str)] = &[
        ("8.8.8.8", "public"),
        ("1.1.1.1", "public"),
        ("9.255.255.255", "public"),
        ("11.0.0.0", "public"),
        ("172.15.255.255", "public"),
        ("172.32.0.0", "public"),
        ("100.63.255.255", "public"),
        ("100.128.0.0", "public"),
        ("169.253.255.255", "public"),
        ("192.167.255.255", "public"),
        ("198.17.255.255", "public"),
        ("198.20.0.0", "public"),
        ("223.255.255.255", "public"),
        ("2606:4700::1111", "public"),
        ("2a00:1450:4001::1", "public"),
        ("127.0.0.1", "loopback"),
        ("127.1.2.3", "loopback"),
        ("127.255.255.255", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.1", "inner"),
        ("10.255.255.255", "inner"),
        ("172.16.0.1", "inner"),
        ("172.31.255.255", "inner"),
        ("192.168.0.1", "inner"),
        ("192.168.255.255", "inner"),
        ("100.64.0.1", "inner"),
        ("100.127.255.255", "inner"),
        ("169.254.0.1", "inner"),
        ("169.254.255.255", "inner"),
        ("192.0.0.1", "inner"),
        ("192.0.2.7", "inner"),
        ("198.51.100.7", "inner"),
        ("203.0.113.7", "inner"),
        ("198.18.0.1", "inner"),
        ("198.19.255.255", "inner"),
        ("fc00::1", "inner"),
        ("fd12:3456::1", "inner"),
        ("fe80::1", "inner"),
        ("febf::1", "inner"),
        ("fec0::1", "inner"),
        ("2001:db8::1", "inner"),
        ("3fff::1", "inner"),
        ("169.254.169.254", "never"),
        ("169.254.170.2", "never"),
        ("100.100.100.200", "never"),
        ("192.0.0.192", "never"),
        ("fd00:ec2::254", "never"),
        ("0.0.0.0", "never"),
        ("0.1.2.3", "never"),
        ("224.0.0.1", "never"),
        ("239.255.255.255", "never"),
        ("240.0.0.1", "never"),
        ("255.255.255.255", "never"),
        ("192.88.99.1", "never"),
        ("::", "never"),
        ("::ffff:127.0.0.1", "never"),
        ("::ffff:169.254.169.254", "never"),
        ("::ffff:8.8.8.8", "never"),
        ("::127.0.0.1", "never"),
        ("64:ff9b::a9fe:a9fe", "never"),
        ("64:ff9b:1::1", "never"),
        ("2002:7f00:1::", "never"),
        ("2001::1", "never"),
        ("100::1", "never"),
        ("ff02::1", "never"),
        ("4000::1", "never"),
    ];

    #[test]
    fn the_table_of_addresses() {
        let nothing = Allow::default();
        let everything = Allow {
            loopback: true,
            networks: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            hosts: vec!["listed".into()],
            ports: Vec::new(),
        };
        let no_loopback = Allow { loopback: false, ..everything.clone() };
        for (text, kind) in TABLE {
            let address: IpAddr = text.parse().unwrap();
            let plain = check(address, "x", &nothing).is_ok();
            let allowed = check(address, "listed", &everything).is_ok();
            let not_local = check(address, "listed", &no_loopback).is_ok();
            let expected = match *kind {
                "public" => (true, true, true),
                "inner" => (false, true, true),
                "loopback" => (false, true, false),
                _ => (false, false, false),
            };
            assert_eq!((plain, allowed, not_local), expected, "{text} is {kind}");
        }
    }

    #[test]
    fn odd_spellings_in_an_url_are_the_same_addresses() {
        for text in [
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://[::ffff:7f00:1]/",
            "http://%31%32%37.0.0.1/",
        ] {
            let url = url::Url::parse(text).unwrap();
            let address: IpAddr = match url.host().unwrap() {
                url::Host::Ipv4(v4) => v4.into(),
                url::Host::Ipv6(v6) => v6.into(),
                url::Host::Domain(name) => panic!("{text} reads as the name {name}"),
            };
            assert!(check(address, "x", &Allow::default()).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_is_as_good_as_its_worst_address() {
        let refused = resolve("localhost", 80, &Allow::default()).await.unwrap_err();
        assert!(refused.is_refusal(), "{refused}");
        let own = Allow { loopback: true, ports: vec![81], ..Allow::default() };
        assert!(resolve("localhost", 81, &own).await.is_ok());
        let port = resolve("localhost", 80, &own).await.unwrap_err();
        assert_eq!(port.to_string(), "port 80 is refused: allowed are [81]");
    }
}
