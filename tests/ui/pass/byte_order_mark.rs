//! A folder with SQL files that begin with a byte order mark, which SQLite takes.

agentos_migrate::migrations! { databases: [notes], dir: "fixtures/byte_order_mark" }

/// The checksum of these files without the mark.
const CHECKSUM: &str = "ce8630c01c85fcd7396f92f169e47beb952bb20627c39805dde843586ee612b7";

fn main() {
    let registry = registry();
    agentos_migrate::testing::check(&registry).expect("they run, and go back");
    let info = registry.migrations()[0].info();
    assert_eq!(info.description, "makes a.");
    assert_eq!(info.checksum.to_string(), CHECKSUM);
}
