//! The shape of the repository: layers, documents that agree with the code,
//! files of a size that one can read.

use std::path::{Path, PathBuf};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in the workspace")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("reads")
}

pub(crate) fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the library's files with their text, without the part that is tests.
fn library(under: &str) -> Vec<(PathBuf, String)> {
    let path = root().join("agentos-migrate/src").join(under);
    let mut files = Vec::new();
    if path.is_dir() {
        sources(&path, &mut files);
    } else {
        files.push(path);
    }
    files.retain(|path| {
        !["tests.rs", "tests", "disk.rs", "plain.rs", "recorder.rs", "faults.rs", "watch.rs"]
            .iter()
            .any(|tests| path.iter().any(|part| part == *tests))
    });
    let without_tests = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("reads");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        (path, code)
    };
    files.into_iter().map(without_tests).collect()
}

#[track_caller]
fn none_names(modules: &[&str], forbidden: &[&str]) {
    for (path, text) in modules.iter().flat_map(|module| library(module)) {
        for word in forbidden {
            assert!(!text.contains(word), "{} names `{word}`", path.display());
        }
    }
}

#[test]
fn decisions_know_no_database_no_file_and_no_clock() {
    none_names(
        &["plan", "lint", "status.rs", "history.rs", "version.rs", "checksum.rs", "info.rs"],
        &[
            "rusqlite",
            "std::fs",
            "Utc::now",
            "SystemTime",
            "Instant",
            "crate::sqlite",
            "crate::system",
        ],
    );
}

#[test]
fn what_speaks_to_sqlite_knows_no_migrator_and_no_command_line() {
    none_names(
        &["sqlite", "schema"],
        &["crate::migrator", "crate::cli", "crate::context", "crate::backup"],
    );
    none_names(&["backup"], &["crate::migrator", "crate::cli", "crate::context"]);
    none_names(&["context", "migrator"], &["crate::cli"]);
}

/// But for tests, and for who holds a file, which Linux alone tells.
#[test]
fn only_one_module_knows_the_operating_system() {
    let forbidden = ["cfg(unix)", "cfg(windows)", "cfg!(unix)", "cfg!(windows)", "std::os::"];
    for (path, text) in library("") {
        let may = ["system", "disk.rs", "faults.rs", "holders.rs"];
        if !path.iter().any(|part| may.iter().any(|one| part == *one)) {
            for word in forbidden {
                assert!(!text.contains(word), "{} names `{word}`", path.display());
            }
            assert!(!text.contains(".canonicalize()"), "{}: `system::real`", path.display());
        }
    }
}

#[test]
fn the_library_neither_prints_nor_exits() {
    let mut modules = vec!["backup", "context", "migrator", "plan", "schema", "sqlite", "testing"];
    modules.push("lint");
    modules.extend(["registry", "status.rs", "history.rs", "lock_file.rs", "schema_files.rs"]);
    none_names(&modules, &["println!", "eprintln!", "process::exit"]);
}

/// But for the test helper that writes schema files when it is told to.
#[test]
fn only_the_command_line_reads_the_environment() {
    let mut modules = vec!["context", "migrator", "plan", "schema", "sqlite"];
    modules.extend(["registry", "status.rs", "history.rs", "lock_file.rs", "schema_files.rs"]);
    modules.extend(["testing/mod.rs", "testing/check.rs", "testing/lint", "testing/rows"]);
    none_names(&modules, &["env::var", "env::args", "home_dir"]);
}

#[test]
fn the_program_of_the_readme_is_the_example() {
    let readme = read("README.md");
    let program = readme.split("```rust,no_run\n").nth(1).expect("a program");
    let program = program.split("```").next().expect("an end");
    assert_eq!(program, read("examples/quickstart.rs"));
    assert!(program.lines().count() <= 25);
}

#[test]
fn documents_are_short_and_there() {
    for (document, lines) in [("README.md", 150), ("ARCHITECTURE.md", 150), ("CONTRIBUTING.md", 80)]
    {
        assert!(read(document).lines().count() <= lines, "{document} is too long");
    }
    assert!(read("CHANGELOG.md").contains("## [Unreleased]"));
    assert!(read("docs/format.md").contains("migration_history"));
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        for target in read(document).split("](").skip(1) {
            let target = target.split([')', '#']).next().unwrap_or_default();
            let is_here = target.is_empty() || target.contains("://");
            assert!(is_here || root().join(target).exists(), "{document}: {target}");
        }
    }
}

/// The page of compile errors as the cases have it: what each is about, and all that the compiler says.
fn page_of_compile_errors(head: &str) -> String {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root().join("tests/ui"))
        .expect("reads")
        .map(|entry| entry.expect("reads").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
        .collect();
    cases.sort();
    assert!(cases.len() > 60, "{}", cases.len());
    let listed: Vec<&str> = head.split('`').skip(1).step_by(2).collect();
    let mut page = head.trim_end().to_owned();
    for case in cases {
        let name = case.file_stem().expect("a name").to_string_lossy();
        let is_it = |one: &&str| {
            one.strip_suffix('…').map_or(name == **one, |beginning| name.starts_with(beginning))
        };
        assert!(listed.iter().any(is_it), "{name} stands under no rule");
        let source = std::fs::read_to_string(case.with_extension("rs")).expect("reads");
        let about = source.lines().next().and_then(|line| line.strip_prefix("//! "));
        let about = about.unwrap_or_else(|| panic!("{} says what it is", case.display()));
        let about = about.trim_end_matches('.');
        let said = std::fs::read_to_string(&case).expect("reads");
        page.push_str(&format!("\n\n## {about}\n\n```text\n{}\n```", said.trim_end()));
    }
    page.push('\n');
    page
}

#[test]
fn the_page_of_compile_errors_shows_all_that_the_compiler_says() {
    let path = root().join("docs/compiler-checks.md");
    let page = read("docs/compiler-checks.md");
    let head = page.split("\n## ").next().expect("a head");
    let expected = page_of_compile_errors(head);
    if std::env::var_os("AGENTOS_MIGRATE_BLESS").is_some() {
        std::fs::write(path, &expected).expect("writes");
    } else {
        assert_eq!(page, expected, "write it with AGENTOS_MIGRATE_BLESS=1");
    }
}

/// Every `// Proves G1.` that stands before a test, with the test's name.
fn proofs() -> Vec<(u32, String)> {
    let mut files = Vec::new();
    for directory in ["tests/spec", "agentos-migrate/src", "agentos-migrate-macros/src"] {
        sources(&root().join(directory), &mut files);
    }
    let mut found = Vec::new();
    for path in files.iter().filter(|path| !path.ends_with("structure.rs")) {
        let text = std::fs::read_to_string(path).expect("reads");
        for after in text.split("// Proves G").skip(1) {
            let (number, rest) = after.split_once(".\n").expect("a number and a stop");
            let (attributes, function) = rest.split_once("fn ").expect("a test");
            assert!(
                attributes.contains("#[test]") && !attributes.contains('}'),
                "{}: `// Proves G{number}.` does not stand before a test",
                path.display()
            );
            let name = function.split('(').next().unwrap_or_default().to_owned();
            found.push((number.parse().expect("a number"), name));
        }
    }
    found
}

#[test]
fn every_guarantee_of_the_readme_is_proved_by_tests_that_name_it() {
    let readme = read("README.md");
    let section = readme.split("## Guarantees\n").nth(1).expect("guarantees");
    let section = section.split("\n## ").next().expect("an end");
    let numbers: Vec<u32> =
        section.lines().filter_map(|line| line.split_once(". **")?.0.parse().ok()).collect();
    let counted: Vec<u32> = (1..).take(numbers.len()).collect();
    assert!(numbers.len() >= 9 && numbers == counted, "{numbers:?}");
    let proofs = proofs();
    for number in &numbers {
        assert!(proofs.iter().any(|(proved, _)| proved == number), "no test proves G{number}");
    }
    for (number, test) in &proofs {
        assert!(
            numbers.contains(number),
            "{test} proves G{number}, which the README does not give"
        );
    }
}

/// The fuzz targets are built by hand, with nightly Rust; this at least is seen without.
#[test]
fn a_fuzz_target_includes_all_that_its_files_of_the_macro_crate_use() {
    let mut targets = Vec::new();
    sources(&root().join("fuzz/targets"), &mut targets);
    for target in targets {
        let text = std::fs::read_to_string(&target).expect("reads");
        for path in text.split("#[path = \"../../").skip(1) {
            let path = path.split('"').next().unwrap_or_default();
            for used in read(path).split("crate::").skip(1) {
                let module = used.split(|c: char| !c.is_alphanumeric() && c != '_').next();
                let declaration = format!("mod {};", module.unwrap_or_default());
                let target = target.display();
                assert!(text.contains(&declaration), "{target} lacks `{declaration}` for {path}");
            }
        }
    }
}
