//! `migrations.lock`: read, or refused with the line; an update makes it one that is read.
#![no_main]

#[expect(dead_code, reason = "the macro crate uses more of it")]
#[path = "../../agentos-migrate-macros/src/compiler.rs"]
mod compiler;
#[expect(dead_code, reason = "the macro crate uses more of it")]
#[path = "../../agentos-migrate-macros/src/lock.rs"]
mod lock;

use lock::{Line, LockFile};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let directory =
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let path = directory.path().join("migrations.lock");
    std::fs::write(&path, text).expect("writes");
    let before = LockFile::read(path.clone());
    if let Err(refused) = &before {
        assert!(refused.contains("line "), "{refused}");
    }
    let new = Line { version: "4711".to_owned(), name: "new".to_owned(), checksum: "c".repeat(64) };
    lock::record(&path, &new).expect("adds");
    let after = LockFile::read(path).expect("is readable");
    assert_eq!(after.lines.get(&4711), Some(&new));
    let mut old = before.iter().flat_map(|before| &before.lines);
    assert!(
        old.all(|(number, line)| *number == 4711 || after.lines[number].checksum == line.checksum)
    );
});
