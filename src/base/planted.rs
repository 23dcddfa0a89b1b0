//! Deliberate bugs of test builds (feature `planted`): each must be caught by a named layer of the tests. Without the
//! feature nothing of this is in the program.

#[cfg(feature = "planted")]
mod chosen {
    use std::cell::RefCell;

    thread_local! {
        static BUG: RefCell<Option<&'static str>> = const { RefCell::new(None) };
    }

    /// Plants one bug in this thread, or none.
    pub fn plant(bug: Option<&'static str>) {
        BUG.with(|chosen| *chosen.borrow_mut() = bug);
    }

    pub fn is(bug: &str) -> bool {
        BUG.with(|chosen| *chosen.borrow() == Some(bug))
    }
}

#[cfg(feature = "planted")]
pub use chosen::{is, plant};

#[cfg(not(feature = "planted"))]
pub(crate) const fn is(_bug: &str) -> bool {
    false
}
