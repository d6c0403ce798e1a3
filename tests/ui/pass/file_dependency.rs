//! An SQL file of the folder that depends on a function further down.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [notes], dir: "fixtures/file_dependency" }

#[migration(version = "0009", databases = ["notes"], irreversible = "a case")]
pub fn later(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute_batch("notes", "CREATE TABLE b (id INTEGER PRIMARY KEY)").map(drop)
}

fn main() {
    registry().check().expect("a good set");
}
