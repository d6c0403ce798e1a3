//! Random sets, walked up and down at random, against a model that knows nothing of SQLite.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;

use crate::migration::Migration;
use crate::migrator::{BackupPolicy, CommitMode, Migrator, Options};
use crate::plan::Target;
use crate::registry::Registry;

const DATABASES: [&str; 2] = ["left", "right"];

/// One thing that a migration does, and that its downgrade undoes.
#[derive(Debug, Clone)]
enum Work {
    /// Makes a table of its own, with so many rows.
    Table { rows: i64 },
    /// Gives the first table of the database one more column.
    Column,
    /// Adds so many rows to the first table.
    Rows { count: i64 },
    /// Makes the first table anew, which must change nothing that is seen here.
    Rebuild,
}

/// What one migration does, by database.
type Program = Vec<(usize, Work)>;

/// Tables with their number of columns and of rows, by database.
type Model = [BTreeMap<String, (i64, i64)>; 2];

fn work() -> impl Strategy<Value = Work> {
    prop_oneof![
        (0_i64..4).prop_map(|rows| Work::Table { rows }),
        Just(Work::Column),
        (1_i64..5).prop_map(|count| Work::Rows { count }),
        Just(Work::Rebuild),
    ]
}

fn programs() -> impl Strategy<Value = Vec<Program>> {
    prop::collection::vec(prop::collection::vec((0_usize..2, work()), 1..4), 1..6)
}

/// What the first `count` programs amount to.
fn model(programs: &[Program], count: usize) -> Model {
    let mut model: Model = [base(), base()];
    for (step, program) in programs.iter().enumerate().take(count) {
        for (index, (database, work)) in program.iter().enumerate() {
            let tables = &mut model[*database];
            let first = tables.get_mut("base").expect("is always there");
            match work {
                Work::Table { rows } => {
                    tables.insert(format!("t{step}_{index}"), (1, *rows));
                }
                Work::Column => first.0 += 1,
                Work::Rows { count } => first.1 += count,
                Work::Rebuild => {}
            }
        }
    }
    model
}

fn base() -> BTreeMap<String, (i64, i64)> {
    BTreeMap::from([("base".to_owned(), (2, 3))])
}

fn migration(step: usize, program: &Program, fails: bool) -> Migration {
    let (up, down) = (program.clone(), program.clone());
    Migration::new(&format!("{:04}", step + 1), &DATABASES, move |ctx| {
        for (index, (database, work)) in up.iter().enumerate() {
            let database = DATABASES[*database];
            match work {
                Work::Table { rows } => {
                    ctx.execute(database, &format!("CREATE TABLE t{step}_{index}(a)"), [])?;
                    for row in 0..*rows {
                        ctx.execute(
                            database,
                            &format!("INSERT INTO t{step}_{index} VALUES (?1)"),
                            [row],
                        )?;
                    }
                }
                Work::Column => {
                    ctx.execute(
                        database,
                        &format!("ALTER TABLE base ADD COLUMN c{step}_{index}"),
                        [],
                    )?;
                }
                Work::Rows { count } => {
                    for _ in 0..*count {
                        ctx.execute(
                            database,
                            "INSERT INTO base(tag) VALUES (?1)",
                            [format!("{step}_{index}")],
                        )?;
                    }
                }
                Work::Rebuild => {
                    ctx.rebuild_table(database, "base", |table| {
                        table.set_default("tag", "'x'");
                    })?;
                }
            }
        }
        if fails { Err(crate::MigrationError::msg("as it was told")) } else { Ok(()) }
    })
    .downgrade(move |ctx| {
        for (index, (database, work)) in down.iter().enumerate().rev() {
            let database = DATABASES[*database];
            match work {
                Work::Table { .. } => {
                    ctx.execute(database, &format!("DROP TABLE t{step}_{index}"), [])?;
                }
                Work::Column => {
                    ctx.execute(
                        database,
                        &format!("ALTER TABLE base DROP COLUMN c{step}_{index}"),
                        [],
                    )?;
                }
                Work::Rows { .. } => {
                    ctx.execute(
                        database,
                        "DELETE FROM base WHERE tag = ?1",
                        [format!("{step}_{index}")],
                    )?;
                }
                Work::Rebuild => {}
            }
        }
        Ok(())
    })
}

/// Reads back what the model speaks of.
fn found(directory: &std::path::Path) -> Model {
    DATABASES.map(|database| {
        let connection = Connection::open(directory.join(format!("{database}.db"))).expect("opens");
        let sql =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_version'";
        let mut statement = connection.prepare(sql).expect("asks");
        let names = statement.query_map([], |row| row.get::<_, String>(0)).expect("asks");
        let names: Vec<String> = names.collect::<rusqlite::Result<_>>().expect("reads");
        let count = |sql: String| {
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("counts")
        };
        let facts = |name: String| {
            let columns = count(format!("SELECT count(*) FROM pragma_table_info('{name}')"));
            let rows = count(format!("SELECT count(*) FROM {name}"));
            (name, (columns, rows))
        };
        names.into_iter().map(facts).collect()
    })
}

proptest! {
    // A case that fails prints itself: nothing is written into the source tree.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    // Proves G2.
    #[test]
    fn any_walk_over_any_set_leads_to_what_the_model_says(
        programs in programs(),
        walk in prop::collection::vec((0_usize..6, any::<bool>(), prop::option::of(0_usize..6)), 1..6),
    ) {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        for database in DATABASES {
            Connection::open(directory.path().join(format!("{database}.db"))).expect("opens").execute_batch(
                "CREATE TABLE base(id INTEGER PRIMARY KEY, tag TEXT); INSERT INTO base(tag) VALUES ('a'), ('b'), ('c')",
            ).expect("fills");
        }
        let mut at = 0;
        for (target, whole, broken) in walk {
            let target = target.min(programs.len());
            let set: Vec<Migration> = programs.iter().enumerate()
                .map(|(step, program)| migration(step, program, broken == Some(step))).collect();
            let commit = if whole { CommitMode::WholeRun } else { CommitMode::EachMigration };
            let options = Options::default().backup(BackupPolicy::Skip).commit(commit);
            let migrator = Migrator::new(Registry::new(&DATABASES, set), directory.path()).with_options(options);
            let version = format!("{target:04}").parse().expect("a version");
            if target > at {
                let outcome = migrator.upgrade(&Target::Version(version));
                let stop = broken.filter(|step| (at..target).contains(step));
                prop_assert_eq!(outcome.is_err(), stop.is_some(), "{:?}", outcome.err());
                at = match stop {
                    Some(_) if whole => at,
                    Some(step) => step,
                    None => target,
                };
            } else if at > 0 {
                migrator.downgrade(&version).expect("reverts");
                at = target;
            }
            prop_assert_eq!(&found(directory.path()), &model(&programs, at));
            let applied = migrator.status().expect("answers").applied_count;
            prop_assert_eq!(applied, at);
        }
    }

    // Proves G6.
    #[test]
    fn a_history_of_any_content_is_answered_about_or_refused_and_never_written(
        rows in prop::collection::vec(prop::collection::vec(value(), 7), 0..5),
        events in prop::collection::vec(prop::collection::vec(value(), 8), 0..3),
    ) {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        let path = directory.path().join("migrations.db");
        let connection = Connection::open(&path).expect("opens");
        // Without types and keys, as another tool may have made them.
        connection.execute_batch(
            "CREATE TABLE migration_history(version, name, applied_at, checksum, success, execution_time_ms, error_message);
            CREATE TABLE migration_events(id INTEGER PRIMARY KEY, at, kind, version, name, checksum, program, backup_id, note)",
        ).expect("creates");
        for row in &rows {
            connection.execute_batch(&format!("INSERT INTO migration_history VALUES ({})", row.join(", "))).expect("writes");
        }
        for event in &events {
            connection.execute_batch(&format!("INSERT INTO migration_events VALUES (NULL, {})", event.join(", "))).expect("writes");
        }
        drop(connection);
        let before = std::fs::read(&path).expect("reads");
        let set = vec![migration(0, &vec![(0, Work::Column)], false)];
        let migrator = Migrator::new(Registry::new(&DATABASES, set), directory.path());
        for refused in [
            migrator.status().err(), migrator.history().err(),
            migrator.plan(&Target::Latest).err(), migrator.plan_downgrade(&"0000".parse().expect("a version")).err(),
        ].into_iter().flatten() {
            prop_assert!(!refused.to_string().is_empty());
        }
        prop_assert_eq!(std::fs::read(&path).expect("reads"), before);
    }
}

/// A value as SQL, of any type, that a column of the history may hold.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("NULL".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        Just("-1.5e300".to_owned()),
        Just("x'ff00'".to_owned()),
        Just("CAST(x'c328' AS TEXT)".to_owned()),
        "[0-9]{1,24}".prop_map(|digits| format!("'{digits}'")),
        "[a-z é\\PC]{0,12}".prop_map(|text| format!("'{}'", text.replace(['\'', '\0'], "''"))),
        prop::sample::select(vec![
            "'0001'",
            "'applied'",
            "'failed'",
            "1",
            "0",
            "'2026-01-01T00:00:00Z'"
        ])
        .prop_map(str::to_owned),
    ]
}
