//! Faults: any operation of a run fails, once or from then on.
//!
//! `cargo test -p agentos-migrate faults` tries some of them;
//! `AGENTOS_MIGRATE_EXHAUSTIVE=1` every one.
