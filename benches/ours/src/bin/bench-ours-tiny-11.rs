//! The set `tiny` with 11.

bench_ours::program!("tiny_11.rs");
