//! Migrations that another macro makes, before and behind the set, and one that stands in a module.

use agentos_migrate::{MigrationContext, Result, migration};

macro_rules! add_column {
    ($(#[$attribute:meta])* $visibility:vis $name:ident, $version:literal, $sql:expr, $body:block) => {
        $(#[$attribute])*
        #[migration(version = $version, databases = ["conversations"])]
        $visibility fn $name(ctx: &mut MigrationContext) -> Result<()> {
            ctx.execute("conversations", $sql, [])?;
            $body
        }
    };
}

add_column!(first, "0001", "CREATE TABLE a (x)", { Ok(()) });

mod later {
    use agentos_migrate::{MigrationContext, Result, migration};

    /// Depends on two that are expanded behind it.
    #[migration(version = "0004", databases = ["rules"], depends_on = ["0001", "0002", "0003"])]
    pub(super) fn fourth(ctx: &mut MigrationContext) -> Result<()> {
        Ok(ctx.execute("rules", "CREATE TABLE b (x)", []).map(drop)?)
    }
}

agentos_migrate::migrations! { databases: [conversations, rules] }

add_column!(pub(crate) second, "0002", "ALTER TABLE a ADD COLUMN y", { Ok(()) });
add_column!(
    /// Is documented.
    #[allow(dead_code)]
    pub third, "0003", "ALTER TABLE a ADD COLUMN z", { return Ok(()); });

#[migration(version = "0005", databases = ["rules"], depends_on = ["0004"])]
fn fifth(_: &mut MigrationContext) -> std::result::Result<(), std::num::ParseIntError> {
    "7".parse::<i32>().map(drop)
}

fn main() {
    let registry = registry();
    registry.check().expect("a good set");
    let names: Vec<_> = registry.migrations().iter().map(|one| one.info().name.to_string()).collect();
    assert_eq!(names, ["first", "second", "third", "fourth", "fifth"]);
    assert_eq!(registry.migrations()[2].info().description, "Is documented.");
}
