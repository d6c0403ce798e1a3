//! A migration with several mistakes, which are told at once.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = 2, databases = ["conversatons"], depends_on = ["1"], databases = ["rules"], transaction = "auto")]
pub fn add_tags(ctx: &mut MigrationContext, _more: u8) -> Result<()> {
    ctx.execute("conversatons", "DROP TABEL tags", [])?;
    Ok(())
}

fn main() {}
