//! Notices a migration file that was added or removed.

fn main() {
    println!("cargo::rerun-if-changed=src/versions");
}
