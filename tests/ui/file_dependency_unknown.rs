//! An SQL file of the folder that depends on a version that no migration has.

agentos_migrate::migrations! { databases: [notes], dir: "fixtures/file_dependency" }

fn main() {}
