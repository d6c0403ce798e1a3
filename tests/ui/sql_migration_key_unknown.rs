//! SQL files declared with a key that does not exist.


agentos_migrate::migrations! { databases: [conversations, rules] }

agentos_migrate::sql_migration! {
    version: "0002",
    databases: ["conversations"],
    upgrade: "fixtures/tags.sql",
}

fn main() {}
