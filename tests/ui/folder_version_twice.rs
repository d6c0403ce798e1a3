//! A folder with several SQL files of one version.

agentos_migrate::migrations! { databases: [notes], dir: "fixtures/folder_version_twice" }

fn main() {}
