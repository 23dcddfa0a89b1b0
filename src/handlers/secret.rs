//! Secrets by reference. Models and variables hold `secret://name`; the text is fetched inside a handler and never leaves
//! it: [`Secret`] has neither `Debug` nor `Serialize`, and what a handler answers is searched for it (`Cx::redact`).
//!
//! Two providers: what the configuration gives, and the environment, of which only `TRANSHUME_SECRET_*` is read. The
//! tenant is always the instance's: `TRANSHUME_SECRET_ACME__VPN` is `secret://vpn` of tenant `acme`.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

const SCHEME: &str = "secret://";
const ENVIRONMENT: &str = "TRANSHUME_SECRET_";

#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself, at the place where it is sent and nowhere else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Where secrets come from. Without tenant (the empty name) are those of the installation.
#[derive(Clone, Default)]
pub struct Secrets {
    given: BTreeMap<(String, String), Secret>,
}

impl Secrets {
    /// What `TRANSHUME_SECRET_*` holds, read once.
    pub fn from_environment() -> Self {
        Self::from_pairs(std::env::vars())
    }

    fn from_pairs(pairs: impl Iterator<Item = (String, String)>) -> Self {
        let mut secrets = Self::default();
        for (name, text) in pairs {
            let Some(name) = name.strip_prefix(ENVIRONMENT) else {
                continue;
            };
            let (tenant, name) = name.split_once("__").unwrap_or(("", name));
            secrets.set(tenant, name, text);
        }
        secrets
    }

    pub fn set(&mut self, tenant: &str, name: &str, text: impl Into<String>) {
        self.given.insert((folded(tenant), folded(name)), Secret::new(text));
    }

    /// The secret behind `secret://name`, of this tenant alone.
    pub fn resolve(&self, tenant: &str, reference: &str) -> Result<Secret, String> {
        let Some(name) = name(reference) else {
            return Err("a secret is given by reference, as secret://name, never as text".to_owned());
        };
        let found = self.given.get(&(folded(tenant), folded(name)));
        found.cloned().ok_or_else(|| {
            let prefix = if tenant.is_empty() { String::new() } else { format!("{}__", folded(tenant)) };
            format!("there is no secret `{name}` here: set {ENVIRONMENT}{prefix}{}", folded(name))
        })
    }
}

pub(crate) fn is_reference(text: &str) -> bool {
    name(text).is_some()
}

fn name(reference: &str) -> Option<&str> {
    let name = reference.strip_prefix(SCHEME)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!name.is_empty() && name.chars().all(fits)).then_some(name)
}

/// Names as the environment can hold them.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_belongs_to_its_tenant() {
        let pairs = [
            ("TRANSHUME_SECRET_VPN_PSK", "shared"),
            ("TRANSHUME_SECRET_ACME__VPN_PSK", "of acme"),
            ("HOME", "no secret"),
        ];
        let secrets = Secrets::from_pairs(pairs.into_iter().map(|(name, text)| (name.into(), text.into())));
        let text =
            |tenant: &str, reference: &str| secrets.resolve(tenant, reference).map(|secret| secret.expose().to_owned());
        assert_eq!(text("", "secret://vpn-psk").unwrap(), "shared");
        assert_eq!(text("acme", "secret://vpn-psk").unwrap(), "of acme");
        assert!(text("other", "secret://vpn-psk").unwrap_err().contains("TRANSHUME_SECRET_OTHER__VPN_PSK"));
        for reference in ["vpn-psk", "secret://", "secret://../home", "secret://HOME"] {
            assert!(text("", reference).is_err(), "{reference}");
        }
    }
}
