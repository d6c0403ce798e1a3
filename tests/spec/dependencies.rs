//! What other people's code the workspace takes: known licences, one source,
//! one version of each, and nothing that needs a newer Rust than is stated.
//!
//! Asks cargo without the network. Advisories are not here, as their list
//! changes: CONTRIBUTING tells how to ask for them.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// What a program under MIT or Apache-2.0 may hold.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The packages that are compiled on this machine.
fn packages() -> Vec<Value> {
    let cargo = env!("CARGO");
    let version = Command::new(cargo).arg("-vV").output().expect("runs").stdout;
    let version = String::from_utf8(version).expect("text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("runs");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("a list").clone()
}

/// Asks whether one of the alternatives is known; all parts of a sum must be.
fn is_known(licence: &str) -> bool {
    let licence = licence.replace(['(', ')'], "").replace('/', " OR ");
    licence.split(" AND ").all(|part| part.split(" OR ").any(|one| LICENCES.contains(&one.trim())))
}

#[test]
fn every_dependency_has_a_known_licence_and_comes_from_crates_io() {
    let packages = packages();
    assert!(packages.len() > 50, "{}", packages.len());
    for package in packages {
        let name = &package["name"];
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_known(licence), "{name}: {licence}");
        if let Some(source) = package["source"].as_str() {
            assert!(source.starts_with("registry+https://github.com/rust-lang/crates.io-index"));
        }
    }
}

#[test]
fn no_dependency_is_compiled_in_two_versions() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        versions.entry(text("name")).or_default().push(text("version"));
    }
    versions.retain(|_, versions| versions.len() > 1);
    assert!(versions.is_empty(), "{versions:?}");
}

#[test]
fn no_dependency_needs_a_newer_rust_than_the_workspace_states() {
    let number = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().expect("a number"));
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    };
    let stated = number(env!("CARGO_PKG_RUST_VERSION"));
    for package in packages() {
        if let Some(needed) = package["rust_version"].as_str() {
            assert!(number(needed) <= stated, "{} needs {needed}", package["name"]);
        }
    }
}

#[test]
fn a_licence_is_known_if_one_of_its_alternatives_is() {
    assert!(is_known("GPL-3.0 OR MIT") && is_known("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_known("MIT AND GPL-3.0") && !is_known("") && !is_known("AGPL-3.0"));
}

/// The benchmarks and the fuzz targets are workspaces of their own, which the gate does not build.
#[test]
fn the_other_lock_files_have_what_the_library_needs() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in the workspace");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("reads");
    for name in ["agentos-migrate", "agentos-migrate-macros"] {
        let manifest = read(&format!("{name}/Cargo.toml"));
        let dependencies = manifest.split("\n[dependencies]\n").nth(1).expect("some");
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let needed: Vec<&str> = dependencies
            .lines()
            .filter(|line| !line.contains("optional") && !line.starts_with('#'))
            .filter_map(|line| line.split(['.', ' ']).next().filter(|name| !name.is_empty()))
            .collect();
        assert!(needed.len() > 2, "{needed:?}");
        for lock in ["benches/Cargo.lock", "fuzz/Cargo.lock"] {
            let text = read(lock);
            let Some(package) = text.split(&format!("name = \"{name}\"\n")).nth(1) else {
                panic!("{lock} lacks {name}")
            };
            let package = package.split("[[package]]").next().unwrap_or_default();
            for one in &needed {
                assert!(
                    package.contains(&format!("\"{one}\""))
                        || package.contains(&format!("\"{one} ")),
                    "{lock} lacks {one} of {name}: `cargo metadata --manifest-path` of it writes it anew"
                );
            }
        }
    }
}
