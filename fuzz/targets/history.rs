//! The history and the event log, with any content: answered about or refused, and never written.
#![no_main]

use agentos_migrate::{Migration, Migrator, Registry, Target};
use rusqlite::Connection;
use rusqlite::types::Value;

/// A row a line, a value between two tabs: a number, a blob behind `x`, or text.
fn values(line: &[u8], count: usize) -> Vec<Value> {
    let value = |bytes: &[u8]| match (bytes, std::str::from_utf8(bytes)) {
        ([], _) => Value::Null,
        ([b'x', blob @ ..], _) => Value::Blob(blob.to_vec()),
        (_, Ok(text)) => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Integer),
        (blob, Err(_)) => Value::Blob(blob.to_vec()),
    };
    let mut row: Vec<Value> = line.split(|byte| *byte == b'\t').take(count).map(value).collect();
    row.resize(count, Value::Null);
    row
}

libfuzzer_sys::fuzz_target!(|rows: &[u8]| {
    let directory =
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let path = directory.path().join("migrations.db");
    let connection = Connection::open(&path).expect("opens");
    let tables = "CREATE TABLE migration_history(version, name, applied_at, checksum, success, execution_time_ms, error_message);
        CREATE TABLE migration_events(id INTEGER PRIMARY KEY, at, kind, version, name, checksum, program, backup_id, note)";
    connection.execute_batch(tables).expect("creates");
    for line in rows.split(|byte| *byte == b'\n').take(8) {
        let (sql, count) = match line.first() {
            Some(b'e') => {
                ("INSERT INTO migration_events VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", 8)
            }
            _ => ("INSERT INTO migration_history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", 7),
        };
        let values = values(line.get(1..).unwrap_or_default(), count);
        connection.execute(sql, rusqlite::params_from_iter(values)).expect("writes");
    }
    drop(connection);
    let before = std::fs::read(&path).expect("reads");
    let step = |version| Migration::new(version, &["notes"], |_| Ok(()));
    let set = Registry::new(&["notes"], vec![step("0001"), step("0002").depends_on(&["0001"])]);
    let migrator = Migrator::new(set, directory.path());
    drop((
        migrator.status(),
        migrator.history(),
        migrator.plan(&Target::Latest),
        migrator.verify(),
    ));
    drop(migrator.plan_downgrade(&"0001".parse().expect("a version")));
    assert_eq!(std::fs::read(&path).expect("reads"), before);
});
