//! A folder with SQL files that are wrong.

agentos_migrate::migrations! { databases: [notes], dir: "fixtures/folder" }

fn main() {}
