//! A statement with a syntax error in a call with type arguments.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0001", databases = ["rules"])]
fn ask(ctx: &mut MigrationContext) -> Result<()> {
    ctx.query_one::<i64>("rules", "SELEC 1", [], |row| row.get(0))?;
    Ok(())
}

fn main() {}
