//! Ids on the wire (D14): opaque to clients, at most 64 of `[A-Za-z0-9:._-]`.
//!
//! | What | Id |
//! |---|---|
//! | instance, root execution | `26388279067666` |
//! | token: user task, external task, job, execution | `26388279067666:12`, leased `26388279067666:12:3` |
//! | timer, incident, subscription | `26388279067666:15`: numbers inside an instance are never used twice |
//! | activity instance | `26388279067666.12` |
//! | definition | `key:version:id` |

use crate::base::id::{DefinitionId, InstanceId, LocalId, ScopeId, TokenId};
use crate::base::limits::ID_CHARACTERS_MAX;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE32_NOPAD;

/// Something inside an instance, perhaps under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    pub(crate) instance: InstanceId,
    pub(crate) number: u32,
    pub(crate) lease: Option<i64>,
}

impl Inner {
    pub(crate) fn token(self) -> TokenId {
        TokenId(self.number)
    }

    pub(crate) fn local(self) -> LocalId {
        LocalId(self.number)
    }

    /// `instance:number`, `instance:number:lease`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let instance = InstanceId(number(parts.next()?)?);
        let inside = u32::try_from(number(parts.next()?)?).ok()?;
        let lease = match parts.next() {
            Some(lease) => Some(number(lease)?),
            None => None,
        };
        parts.next().is_none().then_some(Self { instance, number: inside, lease })
    }
}

/// An execution: an instance's root, or one of its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Execution {
    Root(InstanceId),
    Token(InstanceId, TokenId),
}

impl Execution {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(instance) = instance(text) {
            return Some(Self::Root(instance));
        }
        let inner = Inner::parse(text)?;
        Some(Self::Token(inner.instance, inner.token()))
    }

    pub(crate) fn instance(self) -> InstanceId {
        match self {
            Self::Root(instance) | Self::Token(instance, _) => instance,
        }
    }
}

pub(crate) fn instance(text: &str) -> Option<InstanceId> {
    number(text).map(InstanceId)
}

/// Digits only: `+7` and `007` name nothing.
pub(crate) fn number(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

pub(crate) fn inner(instance: InstanceId, number: impl Into<LocalNumber>) -> String {
    format!("{instance}:{}", number.into().0)
}

pub(crate) fn leased(instance: InstanceId, token: TokenId, lease_no: i64) -> String {
    format!("{instance}:{token}:{lease_no}")
}

/// An activation of an element. The process itself is the activity around it, with the instance's id.
pub(crate) fn activity(instance: InstanceId, token: TokenId) -> String {
    format!("{instance}.{token}")
}

pub(crate) fn parse_activity(text: &str) -> Option<(InstanceId, TokenId)> {
    let (instance, token) = text.split_once('.')?;
    let token = u32::try_from(number(token)?).ok()?;
    Some((InstanceId(number(instance)?), TokenId(token)))
}

pub(crate) fn variable(instance: InstanceId, scope: ScopeId, name: &str) -> String {
    short(&format!("{instance}.{scope}:"), name)
}

/// The instance and the scope that a variable's id names.
pub(crate) fn parse_variable(text: &str) -> Option<(InstanceId, ScopeId)> {
    let (place, _) = text.split_once(':')?;
    let (instance, scope) = place.split_once('.')?;
    Some((InstanceId(number(instance)?), ScopeId(u32::try_from(number(scope)?).ok()?)))
}

/// An id for what has no number of the engine's: 120 random bits.
pub(crate) fn random() -> String {
    let mut bytes = [0; 15];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    BASE32_NOPAD.encode(&bytes)
}

/// The source of a job in its definition.
pub(crate) fn job_definition(definition: DefinitionId, element: &str) -> String {
    short(&format!("{definition}:"), element)
}

pub(crate) fn definition(key: &str, version: i64, id: i64) -> String {
    let full = format!("{key}:{version}:{id}");
    if full.len() <= ID_CHARACTERS_MAX { full } else { id.to_string() }
}

/// The number in `key:version:id`; whether key and version fit is for the row to say.
pub(crate) fn parse_definition(text: &str) -> Option<DefinitionId> {
    number(text.rsplit(':').next()?).map(DefinitionId)
}

/// A name that may be long or hold anything gives way to its digest.
fn short(prefix: &str, name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if plain && prefix.len() + name.len() <= ID_CHARACTERS_MAX {
        return format!("{prefix}{name}");
    }
    let hash = BASE32_NOPAD.encode(digest(&SHA256, name.as_bytes()).as_ref());
    format!("{prefix}_{}", &hash[..24])
}

/// Tokens and other numbers inside an instance come from one sequence.
pub(crate) struct LocalNumber(u32);

impl From<TokenId> for LocalNumber {
    fn from(id: TokenId) -> Self {
        Self(id.0)
    }
}

impl From<LocalId> for LocalNumber {
    fn from(id: LocalId) -> Self {
        Self(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        let leased = leased(InstanceId(77), TokenId(12), 3);
        let read = Inner::parse(&leased).expect("an id");
        assert_eq!((read.instance, read.token(), read.lease), (InstanceId(77), TokenId(12), Some(3)));
        assert_eq!(Inner::parse("77:12").and_then(|id| id.lease), None);
        assert_eq!(parse_activity(&activity(InstanceId(7), TokenId(2))), Some((InstanceId(7), TokenId(2))));
        assert_eq!(parse_definition("a:b:1:42"), Some(DefinitionId(42)));
        for wrong in ["", "7", "a:1", "7:", "7:1:2:3", "7:-1", "7:01", "+7:1", "7:99999999999"] {
            assert_eq!(Inner::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_id_has_at_most_64_plain_characters() {
        let plain = |id: &str| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b":._-".contains(&b));
        let long = "x".repeat(500);
        let most = i64::from(u32::MAX) << 21;
        for name in ["a", "Größe", "a b", long.as_str()] {
            assert!(plain(&variable(InstanceId(most), ScopeId(u32::MAX), name)), "{name}");
            assert!(plain(&job_definition(DefinitionId(most), name)), "{name}");
        }
        assert!(plain(&definition(&long, 1, most)));
    }
}
