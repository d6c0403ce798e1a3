//! An SQL file with a word before its statements that is almost a key.

agentos_migrate::migrations! { databases: [notes], dir: "fixtures/header" }

fn main() {}
