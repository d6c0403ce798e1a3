//! The set `tiny` with 10.

bench_ours::program!("tiny_10.rs");
