//! SQL files declared without one.

agentos_migrate::migrations! { databases: [conversations, rules] }

agentos_migrate::sql_migration! { version: "0002", databases: ["conversations"] }

fn main() {}
