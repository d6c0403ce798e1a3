//! Statements with a syntax error in each call that takes SQL.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations", "rules"])]
pub fn add_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversations", "DELET FROM a", [])?;
    ctx.execute_many("conversations", "INSERT INTO b VALUE (?)", [[1]])?;
    ctx.execute_batch("conversations", "CREATE TABLE c (x); CREATE TABLE d")?;
    ctx.query_row("conversations", "SELECT FROM e", [], |row| row.get::<_, i64>(0))?;
    ctx.query_map("conversations", "SELECT a FROM f WHERE", [], |row| row.get::<_, i64>(0))?;
    ctx.query_one("conversations", "SELECT (a FROM g", [], |row| row.get::<_, i64>(0))?;
    ctx.copy_rows("conversations", "SELECT a b c FROM h", "rules", "INSERT i VALUES (?)")?;
    Ok(())
}

fn main() {}
