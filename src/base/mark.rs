//! Marks in rare branches: `seen!("name")`. Test builds (feature `planted`) keep which of them were reached, and a test
//! demands that all are: a branch that no test enters is a branch that nobody knows. Without the feature nothing of this is
//! in the program.

macro_rules! seen {
    ($name:literal) => {
        $crate::base::mark::note($name)
    };
}
pub(crate) use seen;

#[cfg(feature = "planted")]
mod kept {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, PoisonError};

    static REACHED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

    pub(crate) fn note(name: &'static str) {
        REACHED.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }

    /// The marks that this process has come by.
    pub fn reached() -> BTreeSet<&'static str> {
        REACHED.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(feature = "planted")]
pub(crate) use kept::note;
#[cfg(feature = "planted")]
pub use kept::reached;

#[cfg(not(feature = "planted"))]
pub(crate) const fn note(_name: &str) {}
