//! What only whole crates show: the lock file's life, and files that come and go.
//!
//! Each test makes a crate and asks `cargo check` about it, as its author
//! would. The crates have the workspace's target directory, profiles and
//! features, so that the library is not compiled once more.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate of migrations in a folder of its own.
struct Crate {
    root: PathBuf,
    target: PathBuf,
}

const LIB: &str = r#"
agentos_migrate::migrations! {
    databases: [notes],
    lock: "migrations.lock",
    dir: "src/versions",
}
"#;

const BUILD: &str = "fn main() { println!(\"cargo::rerun-if-changed=src/versions\"); }\n";

const CREATE: &str = r#"
use agentos_migrate::{MigrationContext, Result, migration};

const TABLE: &str = "CREATE TABLE note(id INTEGER PRIMARY KEY)";

#[migration(version = "0001", databases = ["notes"], downgrade = drop_notes)]
pub fn create(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute_batch("notes", TABLE)?;
    Ok(())
}

fn drop_notes(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("notes", "DROP TABLE note", [])?;
    Ok(())
}
"#;

impl Crate {
    /// Makes a crate with one migration and an empty lock file.
    fn new(name: &str) -> Self {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let root = temporary.join("crates").join(name);
        let _ = std::fs::remove_dir_all(&root);
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in the workspace");
        let library = workspace.join("agentos-migrate");
        let manifest = std::fs::read_to_string(workspace.join("Cargo.toml")).expect("reads");
        let profiles = &manifest[manifest.find("[profile.").expect("the last sections")..];
        let target = temporary.parent().expect("in the target directory").to_owned();
        let made = Self { root, target };
        made.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
                 [dependencies]\nagentos-migrate = {{ path = '{}', features = [\"cli\"] }}\n\n\
                 [workspace]\n\n{profiles}",
                library.display()
            ),
        );
        std::fs::copy(workspace.join("Cargo.lock"), made.root.join("Cargo.lock"))
            .expect("the lock file is copied");
        made.write("build.rs", BUILD);
        made.write("src/lib.rs", LIB);
        made.write("src/versions/0001_create.rs", CREATE);
        made.write("migrations.lock", "");
        made
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        std::fs::write(path, text).expect("a file is written");
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).expect("a file is read")
    }

    /// Replaces a text, which is there, in a file.
    #[track_caller]
    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from}");
        self.write(path, &text.replace(from, to));
    }

    /// Runs the tests as the update of the lock file does.
    #[track_caller]
    fn passes_tests_of_the_update(&self) {
        self.run("test", Some("update")).expect("the tests pass");
    }

    fn cargo(&self, variable: Option<&str>) -> Result<String, String> {
        self.run("check", variable)
    }

    #[track_caller]
    fn passes_tests(&self) {
        self.run("test", None).expect("the tests pass");
    }

    fn run(&self, task: &str, variable: Option<&str>) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO"));
        command.args([task, "--offline", "--quiet", "--color=never"]);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command.env_remove("RUSTFLAGS").env_remove("AGENTOS_MIGRATE_LOCK");
        if let Some(value) = variable {
            command.env("AGENTOS_MIGRATE_LOCK", value);
        }
        let output = command.output().expect("cargo runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = text + &String::from_utf8_lossy(&output.stdout);
        if output.status.success() { Ok(text) } else { Err(text) }
    }

    #[track_caller]
    fn compiles(&self) {
        let output = self.cargo(None).expect("compiles");
        assert_eq!(output, "", "no warning");
    }

    #[track_caller]
    fn is_refused(&self, text: &str) {
        let output = self.cargo(None).expect_err("refused");
        assert!(output.contains(text), "{output}");
        assert_eq!(output.matches("error: ").count(), 2, "one error and cargo's summary: {output}");
    }

    #[track_caller]
    fn update(&self) {
        self.cargo(Some("update")).expect("the update compiles");
    }

    /// The lines of the lock file, without its head.
    fn released(&self) -> Vec<String> {
        let text = self.read("migrations.lock");
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }
}

#[test]
fn a_released_migration_does_not_change_and_the_two_ways_out_work() {
    let notes = Crate::new("lock_life");
    let file = "src/versions/0001_create.rs";
    notes.compiles();
    assert_eq!(notes.released(), Vec::<String>::new(), "a check writes nothing");
    notes.update();
    let released = notes.released();
    assert!(released.len() == 1 && released[0].starts_with("0001 create "), "{released:?}");
    notes.compiles();

    // Layout, comments, line ends, and whatever else means nothing.
    notes.edit(file, "pub fn create(", "/// Creates notes.\n#[allow(dead_code)]\nfn create(\n    ");
    notes.write(file, &notes.read(file).replace('\n', "\r\n"));
    notes.compiles();

    // The function, its constant and its downgrade are released together.
    for (from, to) in [
        ("id INTEGER PRIMARY KEY", "id INTEGER"),
        ("DROP TABLE note", "DROP TABLE IF EXISTS note"),
        ("ctx.execute_batch(\"notes\", TABLE)?", "ctx.execute(\"notes\", TABLE, [])?"),
    ] {
        notes.edit(file, from, to);
        notes.is_refused("migration \"0001\" is released and must not change");
        notes.edit(file, to, from);
    }
    notes.compiles();

    notes.edit(file, "DROP TABLE note", "DROP TABLE IF EXISTS note");
    notes.update();
    assert_ne!(notes.released(), released);
    notes.compiles();
}

#[test]
fn an_edit_of_the_lock_file_alone_is_noticed() {
    let notes = Crate::new("lock_edit");
    notes.update();
    notes.compiles();
    let sum = notes.released()[0].split(' ').nth(2).expect("a sum").to_owned();
    notes.edit("migrations.lock", &sum, &"0".repeat(64));
    notes.is_refused("is released and must not change");
    notes.edit("migrations.lock", "0001 create", "<<<<<<< ours\n0001 create");
    notes.is_refused("line 1 is a merge conflict");
    notes.update();
    notes.compiles();
    assert!(notes.released()[0].ends_with(&sum));
}

#[test]
fn a_lock_file_that_is_missing_is_made_by_the_update() {
    let notes = Crate::new("lock_missing");
    std::fs::remove_file(notes.root.join("migrations.lock")).expect("removed");
    notes.is_refused("does not exist: create it with `AGENTOS_MIGRATE_LOCK=update cargo check`");
    notes.update();
    notes.compiles();
    assert_eq!(notes.released().len(), 1);
    let output = notes.cargo(Some("updat")).expect_err("refused");
    assert!(output.contains("`AGENTOS_MIGRATE_LOCK` is `updat`"), "{output}");
}

#[test]
fn files_that_come_and_go_are_noticed() {
    let notes = Crate::new("files");
    notes.compiles();
    notes.write("src/versions/0002_more.up.sql", "CREATE TABLE more(id INTEGER,);\n");
    notes.is_refused("src/versions/0002_more.up.sql: SQLite can't parse this");
    notes.edit("src/versions/0002_more.up.sql", ",)", ")");
    notes.compiles();
    let create = notes.read("src/versions/0001_create.rs");
    notes.write("src/versions/0003_again.rs", &create.replace("\"0001\"", "\"0002\""));
    let output = notes.cargo(None).expect_err("refused");
    assert!(output.contains("the file is named 0003_again.rs and the version is \"0002\""));
    assert!(output.contains("version \"0002\" is taken by `more`"), "{output}");
    assert!(output.contains("  at src/versions/0002_more.up.sql\n"), "{output}");
    notes.edit("src/versions/0003_again.rs", "\"0002\"", "\"0003\"");
    notes.update();
    let names: Vec<_> = notes.released().iter().map(|line| line[..4].to_owned()).collect();
    assert_eq!(names, ["0001", "0002", "0003"]);
    notes.compiles();
    std::fs::remove_file(notes.root.join("src/versions/0002_more.up.sql")).expect("removed");
    // The set itself says that a released migration is gone.
    notes.compiles();
    notes.write(
        "tests/all.rs",
        "#[test] fn set() { let error = files::registry().check().unwrap_err(); \
         assert!(error.details()[0].starts_with(\"version 0002 `more` is released\"), \"{error:?}\"); }\n",
    );
    notes.passes_tests();
}

#[test]
fn a_set_is_the_same_to_every_target_of_its_crate() {
    let notes = Crate::new("targets");
    notes.write(
        "tests/all.rs",
        "#[test] fn set() { agentos_migrate::testing::check(&targets::registry()).expect(\"good\"); }\n",
    );
    notes.write("src/main.rs", "fn main() { drop(targets::registry()) }\n");
    notes.update();
    notes.passes_tests();
    assert_eq!(notes.released().len(), 1);
}

#[test]
fn what_an_update_compiles_does_not_ask_for_the_lines_that_it_replaces() {
    let notes = Crate::new("lock_update");
    notes.update();
    notes.write(
        "tests/all.rs",
        "#[test] fn set() { agentos_migrate::testing::check(&lock_update::registry()).expect(\"good\"); }\n",
    );
    notes.edit("src/versions/0001_create.rs", "id INTEGER PRIMARY KEY", "id INTEGER");
    notes.passes_tests_of_the_update();
    notes.edit("migrations.lock", "0001 create", "<<<<<<< ours\n0001 create");
    notes.passes_tests_of_the_update();
    assert_eq!(notes.released().len(), 1);
    notes.passes_tests();
}

#[test]
fn the_check_of_the_lock_file_names_a_migration_that_is_not_in_it_and_a_file_that_is_in_no_set() {
    let notes = Crate::new("lock_check");
    notes.update();
    let says = |wanted: &str| {
        let asks = "agentos_migrate::testing::Checks::of(&lock_check::registry()).lock_file()";
        let test = format!(
            "#[test] fn set() {{ let said = {asks}; assert!({wanted}, \"{{said:?}}\"); }}\n"
        );
        notes.write("tests/all.rs", &test);
        notes.passes_tests();
    };
    says("said.is_ok()");
    notes.write("src/versions/0002_more.up.sql", "CREATE TABLE more(id INTEGER);\n");
    let new = "said.as_ref().is_err_and(|error| error.to_string().ends_with(\"migrations.lock does not hold 0002\"))";
    says(new);
    notes.update();
    says("said.is_ok()");
    // Nobody declares it.
    notes.write("src/0003_forgotten.rs", CREATE);
    let lost = "said.as_ref().is_err_and(|error| error.details()[0].contains(\"0003_forgotten.rs: no migration of the set has the version 0003\"))";
    says(lost);
}

#[test]
fn a_crate_does_not_join_the_set_of_another_by_importing_all_of_it() {
    let notes = Crate::new("importing");
    notes.write(
        "examples/late.rs",
        "use importing::*;\nuse agentos_migrate::{MigrationContext, Result, migration};\n\n\
         #[migration(version = \"0007\", databases = [\"notes\"])]\n\
         fn late(_ctx: &mut MigrationContext) -> Result<()> {\n    Ok(())\n}\n\n\
         fn main() {\n    println!(\"{}\", registry().migrations().len());\n}\n",
    );
    notes.run("build", None).expect("the crate itself is right");
    let error = notes.run("test", None).expect_err("the example has no set");
    assert!(error.contains("this crate has migrations and declares no set of them"), "{error}");
}

#[test]
fn an_edit_of_a_file_that_is_included_by_a_path_put_together_is_seen() {
    let notes = Crate::new("included");
    notes.write("src/note.sql", "CREATE TABLE note(id INTEGER PRIMARY KEY)");
    let path = "include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/src/note.sql\"))";
    notes.edit(
        "src/versions/0001_create.rs",
        "\"CREATE TABLE note(id INTEGER PRIMARY KEY)\"",
        path,
    );
    notes.cargo(Some("update")).expect("released");
    notes.cargo(None).expect("as released");
    notes.edit("src/note.sql", "note(", "note(body, ");
    let error = notes.cargo(None).expect_err("changed");
    assert!(error.contains("is released and must not change"), "{error}");
}
