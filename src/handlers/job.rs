//! What a handler is told about its job, and the key under which the outside knows all attempts of it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE32_NOPAD;
use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;

use super::{Policy, Trouble, input};
use crate::base::id::{ElementId, InstanceId, TokenId};
use crate::base::variable::Variables;

#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub instance: InstanceId,
    pub token: TokenId,
    pub element: ElementId,
    pub topic: String,
    /// Empty: no tenant.
    pub tenant: String,
    pub process_key: String,
    pub business_key: Option<String>,
    /// Grows with each lease; goes outside as a fence.
    pub lease_no: i64,
    /// Counted from one.
    pub attempt: u32,
    /// Names this activation to the outside, the same for all attempts; see [`key`].
    pub key: String,
    /// What the element sees; its own inputs hide the process's variables.
    pub variables: Variables,
    /// The element's `camunda:properties` named `transhume.*`, with that prefix.
    pub properties: BTreeMap<String, String>,
}

/// `K`: base32 of a digest over everything that makes an activation unique in the world.
pub fn key(installation: &str, tenant: &str, instance: InstanceId, token: TokenId, element: &str) -> String {
    // a length before each part, so that no two lists of parts give the same text
    let parts = [installation, tenant, &instance.to_string(), &token.to_string(), element];
    let text: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    BASE32_NOPAD.encode(digest(&SHA256, text.as_bytes()).as_ref()).to_ascii_lowercase()
}

impl Job {
    /// The inputs as a struct; variables that it does not name are ignored, `null` counts as absent.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        let present = self
            .variables
            .iter()
            .filter(|(_, variable)| !variable.value.is_null())
            .map(|(name, variable)| (name.as_str(), &variable.value));
        T::deserialize(MapDeserializer::new(present)).map_err(|error: serde_json::Error| {
            Trouble::wrong(format!("{}: the inputs of topic {} do not fit: {error}", self.element, self.topic))
        })
    }

    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    /// `transhume.policy`; an unknown word counts as the most careful one.
    pub fn policy(&self) -> Option<Policy> {
        self.property("transhume.policy").map(|word| Policy::parse(word).unwrap_or(Policy::AtMostOnce))
    }

    /// `transhume.timeout` of the element.
    pub fn timeout(&self) -> Result<Option<Duration>, Trouble> {
        let text = self.property("transhume.timeout");
        text.map(|text| input::duration(text).map_err(Trouble::Wrong)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_stable_and_tells_activations_apart() {
        let one = key("here", "", InstanceId(7), TokenId(1), "order");
        assert_eq!(one, key("here", "", InstanceId(7), TokenId(1), "order"));
        assert_ne!(one, key("here", "", InstanceId(7), TokenId(2), "order"));
        assert_ne!(key("a", "bc", InstanceId(7), TokenId(1), "x"), key("ab", "c", InstanceId(7), TokenId(1), "x"));
        assert_eq!(one.len(), 52);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
