//! SQL files that SQLite does not parse.


agentos_migrate::migrations! { databases: [conversations, rules] }

agentos_migrate::sql_migration! {
    version: "0002",
    databases: ["conversations"],
    up: "fixtures/index.sql",
}

fn main() {}
