//! Small numbers that stand for our enums in the rows. They never change their meaning: stored rows outlive a release.

use crate::partition::transaction::{DefinitionKind, Delegation, InstanceState, JobKind};

pub(super) fn state(state: InstanceState) -> i16 {
    match state {
        InstanceState::Active => 0,
        InstanceState::Suspended => 1,
        InstanceState::Cancelling => 2,
        InstanceState::Completed => 3,
        InstanceState::Terminated => 4,
        InstanceState::Cancelled => 5,
    }
}

pub(super) fn state_of(code: i16) -> Option<InstanceState> {
    let all = [
        InstanceState::Active,
        InstanceState::Suspended,
        InstanceState::Cancelling,
        InstanceState::Completed,
        InstanceState::Terminated,
        InstanceState::Cancelled,
    ];
    all.into_iter().find(|one| state(*one) == code)
}

pub(super) fn job_kind(kind: JobKind) -> i16 {
    match kind {
        JobKind::External => 0,
        JobKind::Continuation => 1,
        JobKind::Decision => 2,
        JobKind::Script => 3,
    }
}

pub(super) fn job_kind_of(code: i16) -> Option<JobKind> {
    let all = [JobKind::External, JobKind::Continuation, JobKind::Decision, JobKind::Script];
    all.into_iter().find(|one| job_kind(*one) == code)
}

pub(super) fn delegation(delegation: Delegation) -> i16 {
    match delegation {
        Delegation::Pending => 0,
        Delegation::Resolved => 1,
    }
}

pub(super) fn delegation_of(code: i16) -> Option<Delegation> {
    [Delegation::Pending, Delegation::Resolved].into_iter().find(|one| delegation(*one) == code)
}

pub(super) fn definition_kind(kind: DefinitionKind) -> i16 {
    match kind {
        DefinitionKind::Process => 0,
        DefinitionKind::Decision => 1,
        DefinitionKind::Requirements => 2,
    }
}

pub(super) fn definition_kind_of(code: i16) -> Option<DefinitionKind> {
    let all = [DefinitionKind::Process, DefinitionKind::Decision, DefinitionKind::Requirements];
    all.into_iter().find(|one| definition_kind(*one) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_back() {
        assert!((0..6).all(|code| state_of(code).is_some_and(|one| state(one) == code)));
        assert!((0..4).all(|code| job_kind_of(code).is_some_and(|one| job_kind(one) == code)));
        assert!((0..2).all(|code| delegation_of(code).is_some_and(|one| delegation(one) == code)));
        assert!((0..3).all(|code| definition_kind_of(code).is_some_and(|one| definition_kind(one) == code)));
        assert_eq!((state_of(6), job_kind_of(4)), (None, None));
    }
}
