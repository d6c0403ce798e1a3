//! `manifest.json` of a folder backup.
#![no_main]

mod backup;

libfuzzer_sys::fuzz_target!(|json: &[u8]| {
    let world = backup::world();
    let folder = world.path().join("data/backups").join(backup::ID);
    for (path, content) in
        [("blobs/one", "one"), ("files/keys.json", "new"), ("databases/chat.db", "")]
    {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
        std::fs::write(path, content).expect("writes");
    }
    std::fs::write(folder.join("manifest.json"), json).expect("writes");
    backup::survives(world.path());
});
