//! Writes the generated sets as a user would: a file with an annotated function for each migration.

use std::fmt::Write as _;
use std::path::Path;

use common::Entry;

/// The programs in `src/bin`: each holds one of these sets.
const SETS: &[(&str, usize)] = &[
    ("tiny", 1),
    ("tiny", 10),
    ("tiny", 11),
    ("tiny", 100),
    ("tiny", 110),
    ("tiny", 1_000),
    ("tiny", 5_000),
    ("heavy", 1),
    ("heavy", 2),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = std::env::var_os("OUT_DIR").expect("cargo runs this");
    let folder = Path::new(&folder);
    for (set, count) in SETS {
        std::fs::create_dir_all(folder.join(set)).expect("creates");
        let mut modules = String::new();
        for entry in common::generate(set, *count) {
            let path = folder.join(set).join(format!("{}.rs", entry.version));
            std::fs::write(&path, source(entry)).expect("writes");
            writeln!(modules, "#[path = \"{}\"] mod m{};", path.display(), entry.version)
                .expect("a string takes it");
        }
        std::fs::write(folder.join(format!("{set}_{count}.rs")), modules).expect("writes");
    }
}

fn source(entry: &Entry) -> String {
    let Entry { version, name, up, down } = entry;
    let step = |name: &str, sql: &str| {
        format!(
            "pub fn {name}(ctx: &mut MigrationContext) -> Result<()> {{\n    \
             ctx.execute_batch(\"app\", {sql:?})?;\n    Ok(())\n}}\n"
        )
    };
    let (downgrade, key) = match *down {
        "" => (String::new(), ""),
        sql => (step("revert", sql), ", downgrade = revert"),
    };
    format!(
        "use agentos_migrate::{{MigrationContext, Result, migration}};\n\n\
         #[migration(version = \"{version:04}\", databases = [\"app\"]{key})]\n{}\n{downgrade}",
        step(name, up)
    )
}
