//! Transhume: a BPMN 2.0 process engine and, on it, a Cloud Migration Orchestrator.
//!
//! The map. Floors go down only: a module uses floors below its own, never a sibling (`tests/it/tidy.rs` checks it).
//!
//! | Floor | Modules |
//! |---|---|
//! | 8 | [`demo`]: a served migration with counterparts, played people, virtual clock |
//! | 7 | [`api`]: REST |
//! | 6 | [`runtime`]: node, driver, executor, clock; [`scenario`]: process tests |
//! | 5 | [`store`]: SQL; [`handlers`]: the outside world |
//! | 4 | [`partition`]: group commit, sans-IO; [`verify`]: invariants, oracle; [`insight`]: figures; [`programme`]: waves, stages |
//! | 3 | [`engine`]: BPMN, sans-IO |
//! | 2 | [`bpmn`]: names and dialect; [`script`]: JUEL, Rhai; [`decision`]: FEEL, DMN |
//! | 1 | [`xml`]: strict reading, splicing |
//! | 0 | [`base`]: ids, time, variables, diagnostics, limits, access |

pub mod api;
pub mod base;
pub mod bpmn;
pub mod decision;
pub mod demo;
pub mod engine;
pub mod handlers;
pub mod insight;
pub mod partition;
pub mod programme;
pub mod runtime;
pub mod scenario;
pub mod script;
pub mod store;
pub mod verify;
pub mod xml;
