//! A migration that commits by itself: what it committed stays, and the history tells the truth.

use agentos_migrate::{ErrorKind, ManualContext, Target, rusqlite};

use crate::support::{Directory, migrator};

mod set {
    //! Declared by macro, as the author's own commits are only there for a `ManualContext`.

    use agentos_migrate::{ManualContext, MigrationContext, Result, migration};

    #[migration(version = "0001", databases = ["chat", "rules"])]
    fn tables(ctx: &mut MigrationContext) -> Result<()> {
        ctx.execute("chat", "CREATE TABLE t(a)", [])?;
        ctx.execute("rules", "CREATE TABLE t(a)", [])?;
        Ok(())
    }

    #[migration(version = "0002", databases = ["chat", "rules"], depends_on = ["0001"], transaction = "manual")]
    fn in_parts(ctx: &mut ManualContext) -> Result<()> {
        super::work(ctx)
    }
}

fn work(ctx: &mut ManualContext) -> agentos_migrate::Result<()> {
    ctx.execute("chat", "INSERT INTO t VALUES (1)", [])?;
    ctx.commit("chat")?;
    ctx.vacuum("chat")?;
    ctx.execute("rules", "INSERT INTO t VALUES (1)", [])?;
    ctx.rollback("rules")?;
    let fails: i64 =
        ctx.query_row("chat", "SELECT count(*) FROM t WHERE a = 99", [], |row| row.get(0))?;
    if fails > 0 {
        ctx.execute("rules", "INSERT INTO nowhere VALUES (1)", [])?;
    }
    ctx.execute("rules", "INSERT INTO t VALUES (2)", [])?;
    ctx.commit_all()
}

fn migrator_of(directory: &Directory) -> agentos_migrate::Migrator {
    let base = migrator(directory, vec![]);
    agentos_migrate::Migrator::new(crate::registry(), directory.path())
        .with_options(base.options().clone())
}

#[test]
fn the_author_commits_rolls_back_and_vacuums_each_database() {
    let directory = Directory::new();
    migrator_of(&directory).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(directory.ask("chat", "SELECT group_concat(a) FROM t"), "1");
    assert_eq!(directory.ask("rules", "SELECT group_concat(a) FROM t"), "2");
    assert!(
        migrator_of(&directory).upgrade(&Target::Latest).expect("nothing to do").results.is_empty()
    );
}

#[test]
fn what_was_committed_stays_and_the_migration_counts_as_failed() {
    let directory = Directory::new();
    migrator_of(&directory)
        .upgrade(&Target::Version("0001".parse().expect("a version")))
        .expect("upgrades");
    directory.sql("chat", "INSERT INTO t VALUES (99)");
    let failure = migrator_of(&directory).upgrade(&Target::Latest).expect_err("fails");
    assert_eq!(failure.kind(), ErrorKind::MigrationFailed);
    assert_eq!(directory.ask("chat", "SELECT group_concat(a) FROM t"), "99,1");
    assert_eq!(directory.ask("rules", "SELECT count(*) FROM t"), "0");
    let status = migrator_of(&directory).status().expect("asks");
    assert_eq!(status.pending[0].state, agentos_migrate::State::Failed);
    let connection = rusqlite::Connection::open(directory.file("chat.db")).expect("opens");
    connection.execute("DELETE FROM t WHERE a = 99", []).expect("mends");
    migrator_of(&directory).upgrade(&Target::Latest).expect("runs again");
}
