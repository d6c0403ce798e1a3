use super::*;

fn guarded() -> (Connection, Guard) {
    let mut connection = Connection::open_in_memory().expect("opens");
    let schema = "CREATE TABLE t(a); CREATE TABLE u(a);
        CREATE TRIGGER tr AFTER DELETE ON t BEGIN DELETE FROM u; END; BEGIN";
    connection.execute_batch(schema).expect("schema");
    let guard = Guard::install(&mut connection).expect("installs");
    (connection, guard)
}

#[track_caller]
fn refused(role: Role, sql: &str) -> Error {
    let (connection, guard) = guarded();
    let _scope = guard.enter(role);
    let error = connection.execute_batch(sql).expect_err(sql);
    guard.explain("a", sql, error)
}

#[test]
fn what_the_engine_owns_is_refused_with_what_to_write_instead() {
    let owned = [
        ("COMMIT", "BEGIN, COMMIT or ROLLBACK"),
        ("ROLLBACK", "BEGIN, COMMIT or ROLLBACK"),
        ("BEGIN", "BEGIN, COMMIT or ROLLBACK"),
        ("ATTACH 'x' AS y", "ATTACH"),
        ("DETACH y", "DETACH"),
        ("VACUUM", "VACUUM"),
        ("PRAGMA journal_mode = wal", "PRAGMA journal_mode"),
        ("PRAGMA foreign_keys = on", "PRAGMA foreign_keys"),
        ("PRAGMA synchronous = off", "PRAGMA synchronous"),
        ("PRAGMA locking_mode", "PRAGMA locking_mode"),
        ("PRAGMA writable_schema = on", "PRAGMA writable_schema"),
        ("PRAGMA schema_version = 7", "PRAGMA schema_version"),
        ("PRAGMA recursive_triggers = on", "PRAGMA recursive_triggers"),
        ("SELECT load_extension('x')", "load_extension()"),
    ];
    for (sql, what) in owned {
        let error = refused(Role::Migration, sql);
        assert_eq!(error.kind(), ErrorKind::ForbiddenSql, "{sql}: {error}");
        assert!(error.to_string().contains(what), "{sql}: {error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn ordinary_sql_and_asking_pragmas_are_allowed() {
    let (connection, guard) = guarded();
    let _scope = guard.enter(Role::Migration);
    let sql = "CREATE TABLE v(a); INSERT INTO v VALUES (1); CREATE INDEX i ON v(a); ALTER TABLE v ADD COLUMN b;
        PRAGMA user_version = 3; SAVEPOINT s; DELETE FROM v; ROLLBACK TO s; RELEASE s; DROP TABLE u; ANALYZE;
        CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('y')";
    connection.execute_batch(sql).expect("allowed");
    let columns: i64 = connection
        .query_row("SELECT count(*) FROM pragma_table_info('v')", [], |row| row.get(0))
        .expect("asks");
    assert_eq!(columns, 2);
}

#[test]
fn a_validation_only_reads() {
    for sql in [
        "DELETE FROM t",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DROP TABLE t",
        "CREATE TABLE w(a)",
    ] {
        assert_eq!(refused(Role::Validation, sql).kind(), ErrorKind::ForbiddenSql, "{sql}");
    }
    let (connection, guard) = guarded();
    let _scope = guard.enter(Role::Validation);
    let count: i64 =
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("reads");
    assert_eq!(count, 0);
}

#[test]
fn deletes_through_a_trigger_are_noted_and_named_ones_are_not() {
    let (connection, guard) = guarded();
    let _scope = guard.enter(Role::Migration);
    guard.begin_migration();
    connection.prepare("DELETE FROM t").expect("compiles");
    assert_eq!(guard.take_deletes_by_trigger(), [("u".to_owned(), "tr".to_owned())]);
    connection.prepare("DELETE FROM u").expect("compiles");
    connection.prepare("DELETE FROM t").expect("compiles");
    assert_eq!(guard.take_deletes_by_trigger(), []);
}

#[test]
fn the_scope_gives_the_connection_back() {
    let (connection, guard) = guarded();
    drop(guard.enter(Role::Migration));
    connection.execute_batch("COMMIT").expect("the engine may");
}
