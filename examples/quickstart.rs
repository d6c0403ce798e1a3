//! A database brought up to date when the program starts.

use agentos_migrate::{MigrationContext, Migrator, Result, Target, migration};

agentos_migrate::migrations! { databases: [notes] }

#[migration(version = "0001", databases = ["notes"])]
fn create_notes(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute_batch("notes", "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")?;
    Ok(())
}

#[migration(version = "0002", databases = ["notes"], depends_on = ["0001"])]
fn add_pinned(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("notes", "ALTER TABLE note ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0", [])?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "notes-data".to_owned());
    std::fs::create_dir_all(&directory)?;
    Migrator::new(registry(), directory).upgrade(&Target::Latest)?;
    Ok(()) // The program opens its databases here: they are as it expects them.
}
