//! The set `tiny` with 110.

bench_ours::program!("tiny_110.rs");
