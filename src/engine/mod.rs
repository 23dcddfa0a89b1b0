//! Floor 3: BPMN as a function. `execute(&mut instance, command, cx)` gives events and effects, or a rejection.
//!
//! No clock, no I/O, no async, no logging: time is a parameter, the log is the events. Reading order: [`definition`] (what
//! a model becomes), [`instance`] (what is stored), [`command`] and [`event`] (words in and out), [`mod@execute`], [`lifecycle`]
//! (enter, leave, cancel: written once for all elements), [`elements`] (what each element decides), [`step`] (the only
//! place that changes an instance).

mod agenda;
mod cancel;
pub mod command;
mod compensation;
pub mod compile;
pub mod condition;
pub mod decided;
pub mod definition;
pub mod document;
pub mod elements;
pub mod event;
mod event_sub_process;
pub mod execute;
pub mod expression;
pub mod form;
mod gather;
pub mod history;
pub mod incident;
pub mod index;
pub mod instance;
pub mod job;
mod kept;
mod lifecycle;
pub mod listener;
pub mod modify;
mod multi_instance;
mod notes;
mod places;
mod report;
mod standard_loop;
mod step;
mod subscription;
#[cfg(test)]
pub(crate) mod testing;
mod throw;
mod variables;
mod verbs;
mod work;

pub use execute::execute;
