//! SQL files for a database that `migrations!` does not declare.


agentos_migrate::migrations! { databases: [conversations, rules] }

agentos_migrate::sql_migration! {
    version: "0002",
    databases: ["rule"],
    up: "fixtures/tags.sql",
}

fn main() {}
