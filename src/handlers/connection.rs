//! Named connections: models say `softlayer`, this says where that is, as whom, with which secret, and by what it is
//! recognised. Given in code or by a JSON file, `{"connections": [{"name": "vcenter-source", "kind": "vcenter", …}]}`; its
//! field `allow` says by tenant what models may reach by an address of their own, as `{"": {"networks": ["10.0.0.0/8"]}}`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use url::Url;

use super::net::Allow;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Http,
    Ssh,
    Smtp,
    Vcenter,
    Softlayer,
    Vr,
    Gateway,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connection {
    pub name: String,
    /// Empty: for every tenant that has none of this name.
    #[serde(default)]
    pub tenant: String,
    pub kind: Kind,
    /// An URL for what speaks HTTP, else `host:port`.
    pub address: String,
    #[serde(default)]
    pub user: Option<String>,
    /// `secret://name` of the connection's tenant: password, API key or private key.
    #[serde(default)]
    pub secret: Option<String>,
    /// SSH: the keys that this host may show, each as `ssh-ed25519 AAAA…`.
    #[serde(default)]
    pub host_keys: Vec<String>,
    /// TLS: the only authority accepted, PEM; absent: the platform's.
    #[serde(default)]
    pub ca: Option<String>,
    #[serde(default)]
    pub allow: Allow,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
pub struct Connections {
    by_name: BTreeMap<(String, String), Connection>,
    allow: BTreeMap<String, Allow>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("the connections file {file} cannot be read: {reason}")]
    File { file: String, reason: String },
    #[error("connection {name}: {reason}")]
    Wrong { name: String, reason: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    connections: Vec<Connection>,
    #[serde(default)]
    allow: BTreeMap<String, Allow>,
}

impl Connections {
    pub fn from_file(path: &Path) -> Result<Self, ConnectionError> {
        let wrong = |reason: String| ConnectionError::File { file: path.display().to_string(), reason };
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let file: File = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { allow: file.allow, ..Self::new(file.connections)? })
    }

    /// What this tenant's models may reach without a named connection, beyond the public internet.
    pub fn allowed(&self, tenant: &str) -> Option<&Allow> {
        self.allow.get(tenant)
    }

    pub fn new(list: Vec<Connection>) -> Result<Self, ConnectionError> {
        let mut connections = Self::default();
        for connection in list {
            connections.add(connection)?;
        }
        Ok(connections)
    }

    pub fn add(&mut self, connection: Connection) -> Result<(), ConnectionError> {
        let wrong = |reason: &str| ConnectionError::Wrong { name: connection.name.clone(), reason: reason.to_owned() };
        connection.check().map_err(|reason| wrong(&reason))?;
        let key = (connection.tenant.clone(), connection.name.clone());
        if self.by_name.contains_key(&key) {
            return Err(wrong("it is given twice for the same tenant"));
        }
        self.by_name.insert(key, connection);
        Ok(())
    }

    /// The tenant's own connection of this name, else the one for all.
    pub fn get(&self, tenant: &str, name: &str) -> Option<&Connection> {
        let of = |tenant: &str| self.by_name.get(&(tenant.to_owned(), name.to_owned()));
        of(tenant).or_else(|| of(""))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.by_name.values()
    }
}

impl Connection {
    pub fn new(name: &str, kind: Kind, address: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            tenant: String::new(),
            kind,
            address: address.into(),
            user: None,
            secret: None,
            host_keys: Vec::new(),
            ca: None,
            allow: Allow::default(),
            options: BTreeMap::new(),
        }
    }

    /// The address of a connection that speaks HTTP.
    pub fn url(&self) -> Result<Url, String> {
        let url =
            Url::parse(&self.address).map_err(|error| format!("its address {} is no URL: {error}", self.address))?;
        match url.scheme() {
            "https" | "http" if url.host().is_some() => Ok(url),
            scheme => Err(format!("its address begins with {scheme}; only https and http are spoken")),
        }
    }

    /// Host and port of one that does not.
    pub fn host_and_port(&self) -> Result<(String, u16), String> {
        let wrong = || format!("its address {} is not host:port", self.address);
        let (host, port) = match self.address.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
            Some(_) | None => {
                return self.default_port().map(|port| (self.address.clone(), port)).ok_or_else(wrong);
            }
        };
        let port = port.parse().map_err(|_| wrong())?;
        Ok((host.to_owned(), port))
    }

    fn default_port(&self) -> Option<u16> {
        match self.kind {
            Kind::Ssh | Kind::Gateway => Some(22),
            Kind::Smtp => Some(587),
            Kind::Http | Kind::Vcenter | Kind::Softlayer | Kind::Vr => None,
        }
    }

    fn check(&self) -> Result<(), String> {
        if let Some(secret) = &self.secret
            && !super::secret::is_reference(secret)
        {
            return Err("its secret must be a reference such as secret://name".to_owned());
        }
        match self.kind {
            Kind::Http | Kind::Vcenter | Kind::Softlayer | Kind::Vr => {
                let url = self.url()?;
                if url.scheme() == "http" && self.secret.is_some() && !self.allow.loopback {
                    return Err("it would send its secret unprotected: use https".to_owned());
                }
            }
            Kind::Ssh | Kind::Gateway => {
                self.host_and_port()?;
                if self.host_keys.is_empty() {
                    return Err(
                        "it has no hostKeys: read the host's key at the machine itself and write it here".to_owned()
                    );
                }
            }
            Kind::Smtp => {
                self.host_and_port()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_own_connection_comes_first() {
        let shared = Connection::new("smtp", Kind::Smtp, "mail.example.com");
        let own = Connection { tenant: "acme".into(), address: "mail.acme.example:25".into(), ..shared.clone() };
        let all = Connections::new(vec![shared, own]).unwrap();
        let place = |tenant: &str| all.get(tenant, "smtp").unwrap().host_and_port().unwrap();
        assert_eq!(place("acme"), ("mail.acme.example".into(), 25));
        assert_eq!(place("other"), ("mail.example.com".into(), 587));
    }

    #[test]
    fn an_unsafe_connection_is_refused() {
        let ssh = Connection::new("host", Kind::Ssh, "192.0.2.1");
        let error = Connections::new(vec![ssh]).unwrap_err().to_string();
        assert!(error.contains("hostKeys"), "{error}");
        let mut open = Connection::new("softlayer", Kind::Softlayer, "http://api.example.com");
        open.secret = Some("secret://key".into());
        let error = Connections::new(vec![open.clone()]).unwrap_err().to_string();
        assert!(error.contains("use https"), "{error}");
        open.secret = Some("the key itself".into());
        let error = Connections::new(vec![open]).unwrap_err().to_string();
        assert!(error.contains("secret://"), "{error}");
    }

    #[test]
    fn an_unknown_field_in_the_file_is_an_error() {
        let file = r#"{"connections": [{"name": "x", "kind": "http", "address": "https://x", "insecure": true}]}"#;
        let error = serde_json::from_str::<File>(file).err().unwrap().to_string();
        assert!(error.contains("insecure"), "{error}");
    }
}
