//! Statements with a syntax error beside names in another alphabet.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], downgrade = zurück)]
pub fn größe(ctx: &mut MigrationContext) -> Result<()> {
    let länge = "}";
    ctx.execute("conversations", "ALTER TABEL größe", [])?;
    ctx.note(länge);
    Ok(())
}

fn zurück(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversations", "DORP TABLE größe", [])?;
    Ok(())
}

fn main() {}
