//! Notices a file of a migration or of the baseline that was added or removed.

fn main() {
    println!("cargo::rerun-if-changed=src/versions");
    println!("cargo::rerun-if-changed=src/baseline");
}
