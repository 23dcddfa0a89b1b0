//! Names of things. Instances are numbered by their partition, everything inside an instance by the instance.
//!
//! An `InstanceId` stays below 2^53 (10 bits of partition, 43 of sequence), so it is exact as a JSON number in a browser
//! and its owner is read from it. On the wire ids are strings: `26388279067666`, inside an instance `26388279067666:12`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const SEQUENCE_BITS: u32 = 43;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map($name)
            }
        }
    };
}

number!(
    /// A share of the instances, owned by one node at a time.
    PartitionId(i64)
);
number!(
    /// A process instance. Deployments and definitions are numbered from the same sequence.
    InstanceId(i64)
);
number!(
    /// A deployed version of a process; on the wire `key:version:id`.
    DefinitionId(i64)
);
number!(
    /// A set of files deployed together.
    DeploymentId(i64)
);
number!(
    /// A token inside its instance: one activation of one element, never reused.
    TokenId(u32)
);
number!(
    /// A scope (process, sub-process, activity) inside its instance.
    ScopeId(u32)
);
number!(
    /// Anything else inside an instance: subscriptions, incidents.
    LocalId(u32)
);

impl InstanceId {
    pub fn new(partition: PartitionId, sequence: i64) -> Self {
        Self((partition.0 << SEQUENCE_BITS) | sequence)
    }

    pub fn partition(self) -> PartitionId {
        PartitionId(self.0 >> SEQUENCE_BITS)
    }
}

/// The root scope of every instance.
pub const ROOT_SCOPE: ScopeId = ScopeId(0);

/// An id given by the modeller; cheap to clone, ordered by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementId(Arc<str>);

impl ElementId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ElementId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::ops::Deref for ElementId {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ElementId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for ElementId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ElementId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_read_from_the_id() {
        let id = InstanceId::new(PartitionId(3), 12_345);
        assert_eq!(id.partition(), PartitionId(3));
        assert!(id.0 < 1 << 53, "exact as a JSON number");
    }
}
