//! The set `tiny` with 5,000.

bench_ours::program!("tiny_5000.rs");
