//! SQL files declared without a version.


agentos_migrate::migrations! { databases: [conversations, rules] }

agentos_migrate::sql_migration! {
    databases: ["conversations"],
    up: "fixtures/tags.sql",
}

fn main() {}
