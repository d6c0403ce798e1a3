//! A folder with files that would be left out, as they are not named like a migration.

agentos_migrate::migrations! { databases: [notes], dir: "fixtures/left_out" }

fn main() {}
