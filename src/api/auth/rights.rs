//! What one caller may do, resolved once from the rules that concern him: his own before those of his groups, those before
//! the rules for all. In each of these a revocation stands above a grant; what nothing grants is denied.

use super::permission::{Permission, Permissions, Resource};
use crate::store::queries::identity::Rule;
use std::collections::{BTreeMap, BTreeSet};

/// Every object of a kind.
pub(crate) const ANY: &str = "*";
const GRANT: i16 = 1;
const REVOKE: i16 = 2;

#[derive(Clone, Debug, Default)]
pub(crate) struct Rights {
    /// An administrator: nothing is asked.
    everything: bool,
    /// His own, his groups', everybody's.
    levels: [Level; 3],
    /// Nothing but this, whatever the rest says: an API token may be narrowed.
    within: Option<Level>,
}

type Level = BTreeMap<(Resource, String), Said>;

#[derive(Clone, Copy, Debug, Default)]
struct Said {
    granted: Permissions,
    revoked: Permissions,
}

/// The objects for which something is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Only(BTreeSet<String>),
    AllBut(BTreeSet<String>),
}

impl Reach {
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::AllBut(few) if few.is_empty())
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(few) if few.is_empty())
    }
}

impl Rights {
    pub(crate) fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    pub(crate) fn of(rules: &[Rule]) -> Self {
        let mut rights = Self::default();
        for rule in rules {
            let Some(resource) = Resource::of_number(rule.resource.into()) else { continue };
            let words: Vec<String> = serde_json::from_str(&rule.permissions).unwrap_or_default();
            let Ok(permissions) = Permissions::read(&words, resource) else { continue };
            let level = match (&rule.account, &rule.team) {
                (Some(_), _) => 0,
                (None, Some(_)) => 1,
                (None, None) => 2,
            };
            let said = rights.levels[level].entry((resource, rule.object.clone())).or_default();
            match rule.kind {
                REVOKE => said.revoked = said.revoked.and(permissions),
                0 | GRANT => said.granted = said.granted.and(permissions),
                _ => {}
            }
        }
        rights
    }

    /// What of these rights is granted here, too.
    pub(crate) fn within(self, grants: &[Rule]) -> Self {
        let [.., all] = Self::of(grants).levels;
        Self { within: Some(all), ..self }
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.everything && self.within.is_none()
    }

    /// Whether a token that is narrowed leaves this.
    fn is_within(&self, permission: Permission, resource: Resource, object: &str) -> bool {
        let Some(within) = &self.within else { return true };
        [object, ANY]
            .into_iter()
            .any(|object| within.get(&(resource, object.to_owned())).is_some_and(|said| said.granted.has(permission)))
    }

    /// Whether this is allowed for one object, or with [`ANY`] for those that no rule names.
    pub(crate) fn allow(&self, permission: Permission, resource: Resource, object: &str) -> bool {
        if !self.is_within(permission, resource, object) {
            return false;
        }
        if self.everything {
            return true;
        }
        for level in &self.levels {
            let said = |object: &str| level.get(&(resource, object.to_owned())).copied().unwrap_or_default();
            let (one, any) = (said(object), said(ANY));
            if one.revoked.has(permission) || any.revoked.has(permission) {
                return false;
            }
            if one.granted.has(permission) || any.granted.has(permission) {
                return true;
            }
        }
        false
    }

    pub(crate) fn allow_all(&self, wanted: Permissions, resource: Resource, object: &str) -> bool {
        wanted.each().all(|one| self.allow(one, resource, object))
    }

    /// Whether these are allowed here all, too.
    pub(crate) fn cover(&self, others: &Self) -> bool {
        let granted = others.levels.iter().flat_map(BTreeMap::iter);
        let mut each = granted.map(|((resource, object), said)| self.allow_all(said.granted, *resource, object));
        self.is_everything() || (!others.everything && each.all(|allowed| allowed))
    }

    pub(crate) fn reach(&self, permission: Permission, resource: Resource) -> Reach {
        if self.is_everything() {
            return Reach::AllBut(BTreeSet::new());
        }
        let named: BTreeSet<&String> = self
            .levels
            .iter()
            .chain(&self.within)
            .flat_map(|level| level.keys())
            .filter(|(kind, object)| *kind == resource && object != ANY)
            .map(|(_, object)| object)
            .collect();
        let (yes, no): (Vec<_>, Vec<_>) =
            named.into_iter().cloned().partition(|object| self.allow(permission, resource, object));
        match self.allow(permission, resource, ANY) {
            true => Reach::AllBut(no.into_iter().collect()),
            false => Reach::Only(yes.into_iter().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Resource::ProcessDefinition as Definition;

    fn rule(kind: i16, who: (Option<&str>, Option<&str>), object: &str, words: &str) -> Rule {
        Rule {
            id: String::new(),
            kind,
            account: who.0.map(str::to_owned),
            team: who.1.map(str::to_owned),
            resource: 6,
            object: object.to_owned(),
            permissions: words.to_owned(),
        }
    }

    const ME: (Option<&str>, Option<&str>) = (Some("ada"), None);
    const GROUP: (Option<&str>, Option<&str>) = (None, Some("leads"));
    const ALL: (Option<&str>, Option<&str>) = (None, None);

    fn may(rules: &[Rule], object: &str) -> bool {
        Rights::of(rules).allow(Permission::Read, Definition, object)
    }

    #[test]
    fn nothing_is_allowed_until_it_is_granted() {
        assert!(!may(&[], "order"));
        assert!(may(&[rule(1, ME, "order", r#"["READ"]"#)], "order"));
        assert!(!may(&[rule(1, ME, "order", r#"["READ"]"#)], "other"));
        assert!(!may(&[rule(1, ME, "order", r#"["UPDATE"]"#)], "order"));
        assert!(may(&[rule(0, ALL, "*", r#"["ALL"]"#)], "order"));
        assert!(Rights::everything().allow(Permission::Delete, Definition, "order"));
    }

    #[test]
    fn what_is_said_of_somebody_stands_above_what_is_said_of_his_groups_and_of_all() {
        let all = rule(0, ALL, "*", r#"["READ"]"#);
        let group_not = rule(2, GROUP, "*", r#"["READ"]"#);
        let group = rule(1, GROUP, "order", r#"["READ"]"#);
        let me = rule(1, ME, "order", r#"["READ"]"#);
        let me_not = rule(2, ME, "*", r#"["READ"]"#);
        assert!(!may(&[all.clone(), group_not.clone()], "order"));
        assert!(may(&[all.clone(), group_not.clone(), me.clone()], "order"));
        assert!(!may(&[all.clone(), group_not, group.clone()], "order"), "a revocation stands above a grant beside it");
        assert!(!may(&[all, group, me, me_not], "order"));
    }

    #[test]
    fn what_is_narrowed_is_never_more() {
        let grants = [rule(1, ALL, "order", r#"["READ"]"#)];
        let all = Rights::everything().within(&grants);
        let (read, delete) = (Permission::Read, Permission::Delete);
        assert!(!all.is_everything() && all.allow(read, Definition, "order"));
        assert!(!all.allow(read, Definition, "other") && !all.allow(delete, Definition, "order"));
        assert_eq!(all.reach(read, Definition), Reach::Only(["order".to_owned()].into()));
        assert!(!Rights::default().within(&grants).allow(read, Definition, "order"), "nothing is gained by a token");
        assert!(!all.cover(&Rights::everything()) && Rights::everything().cover(&all));
        let any = Rights::everything().within(&[rule(1, ALL, "*", r#"["ALL"]"#)]);
        assert!(any.reach(delete, Definition).is_all() && !any.allow(read, Resource::User, "ann"));
    }

    #[test]
    fn reach_names_the_objects() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let some = [rule(1, ME, "a", r#"["READ"]"#), rule(1, ME, "b", r#"["UPDATE"]"#)];
        assert_eq!(Rights::of(&some).reach(Permission::Read, Definition), Reach::Only(set(&["a"])));
        let but = [rule(0, ALL, "*", r#"["READ"]"#), rule(2, ME, "b", r#"["READ"]"#)];
        assert_eq!(Rights::of(&but).reach(Permission::Read, Definition), Reach::AllBut(set(&["b"])));
        assert!(Rights::everything().reach(Permission::Read, Definition).is_all());
        assert!(Rights::default().reach(Permission::Read, Definition).is_nothing());
    }
}
