//! The set `heavy` with 1.

bench_ours::program!("heavy_1.rs");
