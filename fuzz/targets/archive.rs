//! The tar stream of a packed backup.
#![no_main]

mod backup;

libfuzzer_sys::fuzz_target!(|tar: &[u8]| {
    let world = backup::world();
    let archive = world.path().join("data/backups").join(format!("{}.tar.zst", backup::ID));
    std::fs::write(archive, zstd::encode_all(tar, 1).expect("packs")).expect("writes");
    backup::survives(world.path());
});
