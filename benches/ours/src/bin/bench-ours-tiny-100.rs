//! The set `tiny` with 100.

bench_ours::program!("tiny_100.rs");
