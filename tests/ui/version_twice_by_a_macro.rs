//! Two functions of one version, which a macro gives to both.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations] }

macro_rules! add_table {
    ($name:ident, $sql:literal) => {
        #[migration(version = "0001", databases = ["conversations"])]
        pub fn $name(ctx: &mut MigrationContext) -> Result<()> {
            ctx.execute_batch("conversations", $sql).map(drop)
        }
    };
}

add_table!(add_a, "CREATE TABLE a (x)");
add_table!(add_b, "CREATE TABLE b (x)");

fn main() {}
