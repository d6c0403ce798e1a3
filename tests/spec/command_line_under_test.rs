//! The command line of Agent OS's migrations, for the tests to start.
//!
//! `HEAP_LIMIT=BYTES` gives SQLite so much memory and no more, `HEAP_LIMIT_AFTER=MICROSECONDS` from a
//! later moment on.

use std::time::Duration;

use agentos_migrate::rusqlite::Connection;

fn main() -> std::process::ExitCode {
    if let Some(bytes) = number("HEAP_LIMIT") {
        let connection = Connection::open_in_memory().expect("opens");
        match number("HEAP_LIMIT_AFTER") {
            None => limit(&connection, bytes),
            Some(microseconds) => drop(std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(microseconds));
                limit(&connection, bytes);
            })),
        }
    }
    agentos_migrate::cli::main(migrations::registry())
}

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().expect("a number"))
}

/// For all connections of the process (<https://sqlite.org/pragma.html#pragma_hard_heap_limit>).
fn limit(connection: &Connection, bytes: u64) {
    let sql = format!("PRAGMA hard_heap_limit = {bytes}");
    connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("SQLite takes a limit");
}
