//! SQL files that depend on a later migration.


agentos_migrate::migrations! { databases: [conversations, rules] }

agentos_migrate::sql_migration! {
    version: "0002",
    databases: ["conversations"],
    depends_on: ["0003"],
    up: "fixtures/tags.sql",
}

fn main() {}
