use super::*;
use crate::system;

fn migration(version: &str) -> Migration {
    Migration::new(version, &["a"], |_| Ok(()))
}

fn problems(registry: &Registry) -> Vec<String> {
    registry.check().expect_err("refused").details().to_vec()
}

#[test]
fn a_set_is_sorted_by_version_whatever_the_order_of_registration() {
    let registry = Registry::new(
        &["a"],
        vec![migration("0010"), migration("0009"), migration("20260101000000")],
    );
    let versions: Vec<_> =
        registry.migrations().iter().map(|m| m.info.version.to_string()).collect();
    assert_eq!(versions, ["0009", "0010", "20260101000000"]);
    registry.check().expect("a good set");
}

#[test]
fn an_empty_set_is_refused() {
    assert!(problems(&Registry::new(&["a"], vec![]))[0].contains("no migration is registered"));
}

#[test]
fn every_mistake_of_a_set_is_named_at_once() {
    let registry = Registry::new(
        &["b"],
        vec![
            migration("0002"),
            migration("00002"),
            migration("0003").depends_on(&["0001", "0003"]),
        ],
    );
    let problems = problems(&registry);
    assert!(problems[0].contains("declared twice"), "{problems:?}");
    assert!(
        problems.iter().any(|text| text.contains("depends on 0001, which no migration declares"))
    );
    assert!(problems.iter().any(|text| text.contains("a dependency has a smaller version")));
    assert!(
        problems.iter().any(|text| text.contains("database a, which the set does not declare"))
    );
}

#[test]
fn a_database_that_can_not_be_a_file_of_its_own_on_this_system_is_a_mistake() {
    let set = |databases: &[&'static str]| Registry::new(databases, vec![migration("0001")]);
    for databases in [["a", "A"], ["a", "Migrations"]] {
        let is_told = set(&databases).check().is_err_and(|error| {
            error.details()[0].ends_with("one file on this system: give one another name")
        });
        assert_eq!(is_told, system::NAMES_IGNORE_CASE, "{databases:?}");
    }
    for name in ["nul", "com1", "a:b"] {
        let is_told = set(&["a", name]).check().is_err_and(|error| {
            error.details()[0].starts_with(&format!("the database {name} can't be the file"))
        });
        assert_eq!(is_told, cfg!(windows), "{name}");
    }
    set(&["a", "aa", "null"]).check().expect("files of their own");
}

#[test]
fn merged_sets_refuse_a_version_that_two_crates_have() {
    let one = Registry::new(&["a"], vec![migration("0001")]);
    let two = Registry::new(&["a"], vec![migration("0001")]);
    assert!(problems(&Registry::merged(&[one, two]))[0].contains("0001 is declared twice"));
}

#[test]
fn the_digest_changes_with_every_version_and_checksum() {
    let digest = |migrations| Registry::new(&["a"], migrations).digest();
    let base = digest(vec![migration("0001"), migration("0002")]);
    assert_eq!(base, digest(vec![migration("0002"), migration("0001")]));
    assert_ne!(base, digest(vec![migration("0001")]));
    assert_ne!(base, digest(vec![migration("0001"), migration("0003")]));
    let changed = migration("0002").checksum(crate::hash::of_bytes(b"changed"));
    assert_ne!(base, digest(vec![migration("0001"), changed]));
}

/// A declaration with one migration, which demands these versions.
macro_rules! declared {
    ($name:ident, $expected:expr, $seal:expr) => {
        static $name: SetDeclaration = SetDeclaration {
            crate_name: "under-test",
            databases: &["a"],
            backup: &[],
            schema_version_table: SCHEMA_VERSION_TABLE,
            baseline: &[],
            expected: $expected,
            lock: "",
            lock_path: None,
            dir: None,
            manifest_dir: "",
            seal: $seal,
        };

        inventory::submit! {
            Registration {
                set: &$name,
                version: "0001",
                number: 1,
                name: "first",
                description: "",
                databases: &["a"],
                depends_on: &[],
                schema_version: None,
                irreversible: None,
                checksum: [7; 32],
                legacy_checksums: &[],
                deletes: &[],
                allow: &[],
                file: "first.rs",
                line: 1,
                upgrade: crate::private::Step::Atomic(|ctx| {
                    ctx.execute("a", "CREATE TABLE t (x)", [])?;
                    Ok(())
                }),
                downgrade: None,
                validate: None,
            }
        }
    };
}
declared!(WHOLE, &["0001"], 1);
declared!(MISSES_ONE, &["0001", "0002"], 2);

#[test]
fn the_digest_of_a_declared_set_is_the_same_before_and_after_it_is_sorted() {
    let registry = Registry::collect(&WHOLE);
    let unsorted = registry.digest();
    assert_eq!(registry.migrations().len(), 1);
    assert_eq!(registry.digest(), unsorted);
    let made = registry.migrations()[0].clone();
    assert_eq!(Registry::new(&["a"], vec![made]).digest(), unsorted);
}

#[test]
fn a_declared_set_that_misses_a_migration_is_refused_also_where_all_the_others_are_applied() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = |declaration| {
        let migrator = crate::Migrator::new(Registry::collect(declaration), directory.path());
        migrator.upgrade(&crate::Target::Latest)
    };
    assert_eq!(start(&WHOLE).expect("applies").results.len(), 1);
    assert!(start(&WHOLE).expect("nothing to do").results.is_empty());
    let error = start(&MISSES_ONE).expect_err("refused").error;
    assert_eq!(error.kind(), ErrorKind::InvalidSet);
    assert!(error.details()[0].contains("version 0002"), "{error:?}");
}

#[test]
fn a_start_with_nothing_to_do_does_not_sort_the_set() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = || {
        let registry = Registry::collect(&WHOLE);
        let migrator = crate::Migrator::new(registry.clone(), directory.path());
        migrator.upgrade(&crate::Target::Latest).expect("runs");
        matches!(&*registry.0, Source::Declared(_, set) if set.get().is_some())
    };
    assert!(start(), "the first applies it");
    assert!(!start());
}

#[test]
fn what_was_found_or_released_while_compiling_and_is_not_in_the_program_is_named() {
    static DECLARATION: SetDeclaration = SetDeclaration {
        crate_name: "notes",
        databases: &["a"],
        backup: &[],
        schema_version_table: SCHEMA_VERSION_TABLE,
        baseline: &[],
        expected: &["0001", "0007"],
        lock: "# head\n0001 step 00ff\n0008 gone abcd\n",
        lock_path: Some("migrations.lock"),
        dir: Some("src/versions"),
        manifest_dir: "",
        seal: 0,
    };
    let mut set = Set::sorted(vec!["a"], vec![migration("0001")]);
    set.find_missing(&DECLARATION);
    let problems = set.problems;
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("version 0007 of crate `notes` is not in this program"));
    assert!(problems[1].starts_with("version 0001 `step` is released and was changed"));
    assert!(problems[2].starts_with("version 0008 `gone` is released, as migrations.lock says"));
}

#[test]
fn a_set_that_somebody_else_holds_is_not_changed_with_a_copy_of_it() {
    let one = Registry::new(&["a"], vec![migration("0001")]);
    let other = one.clone().with_schema_version_table("versions").with_backup(&["keys"]);
    assert_eq!((one.schema_version_table(), one.backup()), (SCHEMA_VERSION_TABLE, &[][..]));
    assert_eq!((other.schema_version_table(), other.backup()), ("versions", &["keys"][..]));
    assert_eq!(other.migrations().len(), 1);
}

#[test]
fn a_name_that_is_no_plain_file_of_its_own_is_refused() {
    let problem = |names: &[&'static str]| {
        let error =
            Registry::new(names, vec![Migration::new("0001", &names[..1], |_| Ok(()))]).check();
        format!("{:?}", error.err())
    };
    assert_eq!(problem(&["chat", "rules"]), "None");
    for name in ["migrations", "Migrations", "../out", "a/b", "a\\b", ".hidden", "", "a\0b"] {
        assert!(problem(&[name]).contains("name"), "{name:?}: {}", problem(&[name]));
    }
    assert!(problem(&["chat", "Chat"]).contains("differ in case only"));
}
