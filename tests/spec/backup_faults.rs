//! Backups in a bad world: damaged and hostile ones, missing folders, other disks, two at once.

use agentos_migrate::{
    BackupManager, BackupOptions, Compression, ErrorKind, RestoreOptions, Verification,
};
use proptest::prelude::*;
use sha2::Digest;

use crate::support::command::run;
use crate::support::{Directory, hash_of};

fn folder() -> BackupOptions {
    BackupOptions { compression: Compression::None, ..BackupOptions::default() }
}

fn filled() -> Directory {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a); INSERT INTO t VALUES ('old')");
    std::fs::create_dir(directory.file("blobs")).expect("creates");
    std::fs::write(directory.file("blobs/one"), "old").expect("writes");
    directory
}

#[test]
fn a_missing_folder_is_an_error_and_not_an_empty_list() {
    let directory = filled();
    assert_eq!(run(directory.path(), &["list-backups"]).out, "no backups\n");
    let nowhere = directory.file("nowhere");
    let before = directory.contents();
    for command in ["list-backups", "restore", "prune"] {
        let said = run(&nowhere, &[command]);
        assert_eq!(said.code, 1, "{command}: {}{}", said.out, said.err);
        assert!(said.err.contains("the data directory"), "{}", said.err);
        assert!(said.err.contains("does not exist"), "{}", said.err);
        let path = nowhere.to_str().expect("text");
        let said = run(directory.path(), &[command, "--backup-dir", path]);
        assert_eq!(said.code, 64, "{command}: {}{}", said.out, said.err);
        assert!(said.err.contains("there is no folder of backups"), "{}", said.err);
    }
    assert!(!nowhere.exists());
    assert_eq!(directory.contents(), before);
}

#[test]
fn a_damaged_earlier_copy_is_not_shared_with_a_new_backup() {
    let directory = filled();
    let manager = BackupManager::new(directory.path());
    let blob = |id: &str| manager.directory().join(id).join("blobs/one");
    let first = manager.create_backup(&folder()).expect("makes").backup_id;
    let modified = blob(&first).metadata().and_then(|m| m.modified()).expect("a time");
    std::fs::write(blob(&first), "odl").expect("spoils");
    let file = std::fs::File::options().write(true).open(blob(&first)).expect("opens");
    file.set_modified(modified).expect("sets");
    let second = manager.create_backup(&folder()).expect("makes").backup_id;
    manager.verify_backup(&second).expect("good");
    assert_eq!(hash_of(&blob(&second)), hash_of(&directory.file("blobs/one")));
    manager.verify_backup(&first).expect_err("damaged");
}

#[test]
fn two_backups_at_once_are_made_one_after_the_other() {
    let directory = filled();
    let manager = BackupManager::new(directory.path());
    std::thread::scope(|scope| {
        for options in [folder(), BackupOptions::default(), folder()] {
            let manager = &manager;
            scope.spawn(move || manager.create_backup(&options).expect("makes"));
        }
    });
    let entries = manager.list_backups().expect("lists");
    assert_eq!(entries.len(), 3);
    for entry in entries {
        manager.verify_backup(&entry.id).expect("good");
    }
}

#[test]
fn a_file_that_changes_while_it_is_copied_is_copied_whole_or_named() {
    let directory = filled();
    let blob = directory.file("blobs/changing");
    std::fs::write(&blob, vec![0; 1 << 20]).expect("writes");
    let manager = BackupManager::new(directory.path());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for generation in (1..=u8::MAX).cycle() {
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                std::fs::write(&blob, vec![generation; 1 << 20]).expect("writes");
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        });
        let outcomes: Vec<_> = (0..8).map(|_| manager.create_backup(&folder())).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for outcome in outcomes {
            match outcome {
                Ok(manifest) => {
                    let copy = manager.directory().join(manifest.backup_id).join("blobs/changing");
                    let bytes = std::fs::read(copy).expect("reads");
                    assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]), "a mixed copy");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::BackupFailed, "{error}");
                    assert!(error.to_string().contains("changing"), "{error}");
                }
            }
        }
    });
}

#[cfg(unix)]
#[test]
fn backups_on_another_file_system_are_as_good() {
    use std::os::unix::fs::MetadataExt;

    let directory = filled();
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let device = |path: &std::path::Path| path.metadata().expect("there").dev();
    if device(elsewhere.path()) == device(directory.path()) {
        return;
    }
    let manager = BackupManager::new(directory.path()).with_directory(elsewhere.path());
    for options in [folder(), BackupOptions::default()] {
        let id = manager.create_backup(&options).expect("makes").backup_id;
        directory.sql("chat", "UPDATE t SET a = 'new'");
        manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
        assert_eq!(directory.ask("chat", "SELECT a FROM t"), "old");
    }
}

fn spoilt(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (at, byte) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..24)
}

/// Lists, checks and restores; a refusal changes nothing, and nothing is ever written outside.
fn survives(world: &Directory, id: &str) {
    let data = world.file("data");
    let manager = BackupManager::new(&data);
    let before = world.contents();
    let outside = hash_of(&world.file("victim.db"));
    manager.list_backups().expect("lists");
    let verified = manager.verify_backup(id);
    for verify in [Verification::Full, Verification::Skip] {
        let options = RestoreOptions { verify, ..RestoreOptions::default() };
        let restored = manager.restore_backup(id, &options);
        assert_eq!(hash_of(&world.file("victim.db")), outside);
        let mut entries = std::fs::read_dir(world.path()).expect("reads");
        assert!(entries.all(|entry| {
            let name = entry.expect("reads").file_name();
            name == "data" || name == "victim.db"
        }));
        if restored.is_ok() {
            assert!(verified.is_ok() || verify == Verification::Skip, "what restores verifies");
            return;
        }
        assert_eq!(world.contents(), before);
    }
}

/// A data directory with one backup, beside a file that no restore may touch.
fn world(options: &BackupOptions) -> (Directory, String) {
    let world = Directory::new();
    std::fs::write(world.file("victim.db"), "untouched").expect("writes");
    std::fs::create_dir_all(world.file("data/blobs")).expect("creates");
    world.sql("data/chat", "CREATE TABLE t(a); INSERT INTO t VALUES ('old')");
    std::fs::write(world.file("data/blobs/one"), "old").expect("writes");
    let manager = BackupManager::new(world.file("data"));
    let id = manager.create_backup(options).expect("makes").backup_id;
    (world, id)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_compressed_stream_is_refused_or_restored_inside(changes in changes()) {
        let (world, id) = world(&BackupOptions::default());
        let path = world.file(&format!("data/backups/{id}.tar.zst"));
        let bytes = std::fs::read(&path).expect("reads");
        std::fs::write(&path, spoilt(bytes, &changes)).expect("writes");
        survives(&world, &id);
    }

    #[test]
    fn any_archive_is_refused_or_restored_inside(changes in changes(), headers in any::<bool>()) {
        let (world, id) = world(&BackupOptions::default());
        let path = world.file(&format!("data/backups/{id}.tar.zst"));
        let tar = zstd::decode_all(&*std::fs::read(&path).expect("reads")).expect("zstd");
        // Most bytes are content; the headers are where the harm is.
        let length = if headers { 2048 } else { tar.len() };
        let (head, rest) = tar.split_at(length);
        let tar = [spoilt(head.to_vec(), &changes), rest.to_vec()].concat();
        std::fs::write(&path, zstd::encode_all(&*tar, 1).expect("zstd")).expect("writes");
        survives(&world, &id);
    }

    #[test]
    fn any_manifest_is_refused_or_restored_inside(
        path in "(databases|blobs|files|metadata|\\.\\.|)?/?[a-z./]{0,12}(\\.db)?",
        size in any::<u64>(),
        mode in any::<u32>(),
        changes in prop::option::of(changes()),
    ) {
        let (world, id) = world(&folder());
        let file = world.file(&format!("data/backups/{id}/manifest.json"));
        let text = std::fs::read(&file).expect("reads");
        let mut json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let sum = json["checksums"]["blobs/one"].clone();
        json["checksums"][&path] = sum;
        json["files"][&path] = serde_json::json!({ "size": size, "mode": mode });
        json["directories"][&path] = serde_json::json!(mode);
        let json = json.to_string().into_bytes();
        let json = changes.map_or(json.clone(), |changes| spoilt(json, &changes));
        std::fs::write(&file, json).expect("writes");
        sum_up(file.parent().expect("a folder"));
        survives(&world, &id);
    }
}

#[test]
fn a_manifest_that_promises_more_than_any_disk_holds_is_refused() {
    let (world, id) = world(&folder());
    let file = world.file(&format!("data/backups/{id}/manifest.json"));
    let text = std::fs::read(&file).expect("reads");
    let mut json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    json["total_size_bytes"] = serde_json::json!(u64::MAX);
    std::fs::write(&file, json.to_string()).expect("writes");
    let before = world.contents();
    let manager = BackupManager::new(world.file("data"));
    let error = manager.restore_backup(&id, &RestoreOptions::default()).expect_err("too much");
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}");
    assert_eq!(error.state(), Some("nothing was changed"));
    assert_eq!(world.contents(), before);
}

/// Packs entries as they are given, which no backup would be.
fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(zstd::stream::Encoder::new(Vec::new(), 1).expect("zstd"));
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, name, *content).expect("packs");
    }
    builder.into_inner().expect("ends").finish().expect("ends")
}

#[test]
fn an_archive_with_more_than_one_backup_could_hold_is_refused_by_name() {
    let (world, id) = world(&BackupOptions::default());
    let data = world.file("data");
    let manager = BackupManager::new(&data);
    let path = data.join(format!("backups/{id}.tar.zst"));
    let tar = zstd::decode_all(&*std::fs::read(&path).expect("reads")).expect("zstd");
    let mut manifest = Vec::new();
    for entry in tar::Archive::new(&*tar).entries().expect("tar") {
        let mut entry = entry.expect("tar");
        if entry.path().expect("a path").ends_with("manifest.json") {
            std::io::Read::read_to_end(&mut entry, &mut manifest).expect("reads");
        }
    }
    let (own, blob) = (format!("{id}/manifest.json"), format!("{id}/blobs/one"));
    let long = vec![b'x'; 4096];
    let cut = packed(&[(&own, &manifest), (&blob, b"old")]);
    for (bytes, fault) in [
        (packed(&[(&own, &manifest), (&blob, &long)]), "is larger than the manifest says"),
        (packed(&[(&own, &manifest), ("b/blobs/one", b"old")]), "more than one folder"),
        (packed(&[(&own, &manifest), (&blob, b"old"), (&blob, b"old")]), "twice"),
        (packed(&[(&own, &manifest)]), "it is missing"),
        (cut[..cut.len() - 9].to_vec(), ""),
    ] {
        std::fs::write(&path, bytes).expect("writes");
        let error = manager.restore_backup(&id, &RestoreOptions::default()).expect_err(fault);
        assert_eq!(error.kind(), ErrorKind::DamagedBackup, "{fault}: {error:?}");
        assert!(format!("{error:?}").contains(fault), "{error:?}");
        assert_eq!(std::fs::read(data.join("blobs/one")).expect("stays"), b"old");
    }
}

#[test]
fn an_interrupted_restore_whose_record_cannot_be_read_waits_for_a_person() {
    for record in ["no JSON", r#"{"format":9,"backup_id":"x","entries":[]}"#] {
        let (directory, migrator) = crate::support::upgraded();
        std::fs::write(directory.file(".agentos-migrate/restore.json"), record).expect("writes");
        let before = directory.contents();
        let error = migrator.recover().expect_err("nobody can know");
        assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("restore.json")), "{error:?}");
        assert_eq!(directory.contents(), before);
    }
}

#[cfg(unix)]
#[test]
fn a_name_that_no_manifest_can_hold_and_a_link_to_a_database_are_refused_by_name() {
    use std::os::unix::ffi::OsStrExt;

    let directory = filled();
    let manager = BackupManager::new(directory.path());
    let refused = |what: &str| {
        let error = manager.create_backup(&folder()).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::BackupFailed, "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
        assert!(manager.list_backups().expect("lists").is_empty());
    };
    let odd = directory.file("blobs").join(std::ffi::OsStr::from_bytes(b"\xff"));
    std::fs::write(&odd, "").expect("writes");
    refused("is not UTF-8");
    std::fs::remove_file(odd).expect("removes");
    let elsewhere = filled();
    std::os::unix::fs::symlink(elsewhere.file("chat.db"), directory.file("linked.db"))
        .expect("links");
    refused("linked.db is a link");
}

#[test]
fn a_file_that_is_only_named_like_a_database_is_saved_as_the_file_that_it_is() {
    let directory = filled();
    std::fs::write(directory.file("notes.db"), "a list, and no database at all").expect("writes");
    let manager = BackupManager::new(directory.path());
    let manifest = manager.create_backup(&folder()).expect("makes");
    assert_eq!(manifest.databases, ["chat"]);
    std::fs::write(directory.file("notes.db"), "spoilt").expect("writes");
    manager.restore_backup(&manifest.backup_id, &RestoreOptions::default()).expect("restores");
    let text = std::fs::read_to_string(directory.file("notes.db")).expect("reads");
    assert_eq!(text, "a list, and no database at all");
}

#[test]
fn the_newest_backup_that_is_good_stays_though_a_newer_one_is_damaged() {
    let directory = filled();
    let manager = BackupManager::new(directory.path());
    let make = || manager.create_backup(&folder()).expect("makes").backup_id;
    let (oldest, good, damaged) = (make(), make(), make());
    let database = manager.directory().join(&damaged).join("databases/chat.db");
    // Of the same size: only reading it whole tells.
    let mut bytes = std::fs::read(&database).expect("reads");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::write(&database, bytes).expect("spoils");
    assert!(manager.list_backups().expect("lists").iter().all(|entry| entry.problem.is_none()));
    assert_eq!(manager.preview_cleanup(0, 0).expect("asks").removed, [oldest.as_str()]);
    let cleanup = manager.cleanup_old_backups(0, 0).expect("removes");
    assert_eq!((cleanup.removed, cleanup.kept_damaged), (vec![oldest], vec![damaged.clone()]));
    manager.verify_backup(&good).expect("good");
    assert!(manager.directory().join(&damaged).exists(), "left for a person to look at");
}

/// Gives a manifest that was edited its right sum again.
fn sum_up(folder: &std::path::Path) {
    let sum = sha2::Sha256::digest(std::fs::read(folder.join("manifest.json")).expect("reads"));
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(folder.join("SHA256SUMS"), format!("{sum}  manifest.json\n")).expect("writes");
}

#[test]
fn a_backup_that_holds_other_migrations_than_it_says_is_damaged() {
    for compression in [Compression::None, Compression::Zstd] {
        let (directory, _) = crate::support::upgraded();
        let manager = BackupManager::new(directory.path());
        let options = BackupOptions { compression: Compression::None, ..BackupOptions::default() };
        let id = manager.create_backup(&options).expect("makes").backup_id;
        manager.verify_backup(&id).expect("good");
        let folder = manager.directory().join(&id);
        let path = folder.join("manifest.json");
        let text = std::fs::read_to_string(&path).expect("reads");
        let (before, versions) = text.split_once("\"migration_versions\"").expect("is there");
        let other = versions.replacen("\"0002\"", "\"0042\"", 1);
        assert_ne!(other, versions);
        std::fs::write(&path, format!("{before}\"migration_versions\"{other}")).expect("writes");
        sum_up(&folder);
        if compression == Compression::Zstd {
            let archive = manager.directory().join(format!("{id}.tar.zst"));
            let packed = std::process::Command::new("tar")
                .args(["--zstd", "-cf"])
                .args([&archive, std::path::Path::new(&id)])
                .current_dir(manager.directory())
                .status();
            if !packed.is_ok_and(|status| status.success()) {
                continue; // A tar without zstd.
            }
            std::fs::remove_dir_all(&folder).expect("removes");
        }
        let error = manager.verify_backup(&id).expect_err("says other migrations");
        assert_eq!(error.kind(), ErrorKind::DamagedBackup, "{error:?}");
        assert!(format!("{error:?}").contains("0042"), "{error:?}");
        let restored = manager.restore_backup(&id, &RestoreOptions::default());
        assert_eq!(restored.expect_err("the same").kind(), ErrorKind::DamagedBackup);
    }
}

#[test]
fn a_backup_whose_manifest_names_nothing_is_no_good_one() {
    let directory = filled();
    let manager = BackupManager::new(directory.path());
    let good = manager.create_backup(&folder()).expect("makes").backup_id;
    let hollow = manager.create_backup(&folder()).expect("makes").backup_id;
    let path = manager.directory().join(&hollow).join("manifest.json");
    let text = std::fs::read_to_string(&path).expect("reads");
    let mut manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for (key, nothing) in [("checksums", "{}"), ("databases", "[]"), ("files", "{}")] {
        manifest[key] = serde_json::from_str(nothing).expect("JSON");
    }
    std::fs::write(&path, manifest.to_string()).expect("writes");
    sum_up(path.parent().expect("a folder"));
    assert_eq!(
        manager.verify_backup(&hollow).expect_err("hollow").kind(),
        ErrorKind::DamagedBackup
    );
    assert!(manager.cleanup_old_backups(0, 0).expect("removes").removed.is_empty());
    manager.verify_backup(&good).expect("stays");
}
