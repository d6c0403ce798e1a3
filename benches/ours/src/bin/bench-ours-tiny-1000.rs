//! The set `tiny` with 1,000.

bench_ours::program!("tiny_1000.rs");
