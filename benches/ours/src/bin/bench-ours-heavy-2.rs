//! The set `heavy` with 2.

bench_ours::program!("heavy_2.rs");
