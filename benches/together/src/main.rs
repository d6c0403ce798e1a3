//! One program with agentos-migrate, diesel, sqlx and refinery: they share one
//! SQLite, and each reads what the others wrote.
//!
//! Two copies of SQLite in one process would drop each other's locks
//! (<https://sqlite.org/howtocorrupt.html#_multiple_copies_of_sqlite_linked_into_the_same_application>);
//! Cargo refuses them, so that this compiles is most of the proof.

use agentos_migrate::rusqlite::Connection as Rusqlite;
use agentos_migrate::{BackupPolicy, Migration, Migrator, Options, Registry, Target};
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use sqlx::{ConnectOptions, Connection as _};

fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("app.db");
    let migration = Migration::new("0001", &["app"], |ctx| {
        ctx.execute_batch("app", "CREATE TABLE note(body TEXT NOT NULL)")?;
        Ok(())
    });
    let options = Options::default().backup(BackupPolicy::Skip);
    Migrator::new(Registry::new(&["app"], vec![migration]), directory.path())
        .with_options(options)
        .upgrade(&Target::Latest)
        .expect("upgrades");

    let mut diesel = SqliteConnection::establish(file.to_str().expect("text")).expect("opens");
    diesel::sql_query("INSERT INTO note VALUES ('diesel')").execute(&mut diesel).expect("writes");

    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut sqlx = options.connect().await.expect("opens");
        sqlx::query("INSERT INTO note VALUES ('sqlx')").execute(&mut sqlx).await.expect("writes");
        sqlx.close().await.expect("closes");
    });

    let sql = "CREATE TABLE tag(name TEXT); INSERT INTO note VALUES ('refinery')";
    let set = [refinery::Migration::unapplied("V1__tag", sql).expect("a migration")];
    let mut rusqlite = Rusqlite::open(&file).expect("opens");
    refinery::Runner::new(&set).run(&mut rusqlite).expect("runs");

    let all: String = rusqlite
        .query_row("SELECT group_concat(body, ' ') FROM note", [], |row| row.get(0))
        .expect("reads");
    assert_eq!(all, "diesel sqlx refinery");
    println!("SQLite {}: {all}", agentos_migrate::rusqlite::version());
}
