//! The set `tiny` with 1.

bench_ours::program!("tiny_1.rs");
