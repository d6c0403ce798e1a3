//! The last copy: no cleaning, restore or second restore takes away what nothing else holds.

use agentos_migrate::{BackupManager, BackupOptions, Blobs, Compression, Manifest, RestoreOptions};

use crate::support::command::{command, run};
use crate::support::{Directory, agentos};

fn filled() -> (Directory, BackupManager) {
    let directory = Directory::new();
    for database in ["chat", "rules"] {
        directory.sql(database, "CREATE TABLE t(a); INSERT INTO t VALUES ('old')");
    }
    std::fs::create_dir(directory.file("blobs")).expect("creates");
    std::fs::write(directory.file("blobs/one"), "one").expect("writes");
    let manager = BackupManager::new(directory.path());
    (directory, manager)
}

fn made(manager: &BackupManager, options: &BackupOptions) -> String {
    manager.create_backup(options).expect("makes").backup_id
}

fn ids(manager: &BackupManager) -> Vec<String> {
    manager.list_backups().expect("lists").into_iter().map(|entry| entry.id).collect()
}

#[test]
fn prune_keeps_the_newest_good_backup_of_each_database_and_of_the_blobs() {
    let (directory, manager) = filled();
    let everything = BackupOptions::default();
    let without_blobs = BackupOptions { blobs: Blobs::Exclude, ..BackupOptions::default() };
    let rules = BackupOptions { databases: vec!["rules".into()], ..BackupOptions::default() };
    let folder = BackupOptions { compression: Compression::None, ..BackupOptions::default() };
    let oldest = made(&manager, &everything);
    let full = made(&manager, &everything);
    let damaged = made(&manager, &folder);
    std::fs::write(manager.directory().join(&damaged).join("blobs/one"), "two").expect("spoils");
    let databases = made(&manager, &without_blobs);
    let named = [made(&manager, &rules), made(&manager, &rules)];
    let said = run(directory.path(), &["prune", "--keep", "1"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(ids(&manager), [&named[1], &databases, &damaged, &full].map(String::clone));
    assert!(said.out.contains(&oldest) && said.out.contains(&named[0]), "{}", said.out);
    for kept in [
        format!("kept  {full}: no newer good backup holds blobs\n"),
        format!("kept  {databases}: no newer good backup holds chat\n"),
    ] {
        assert!(said.out.contains(&kept), "{}", said.out);
    }
    manager.verify_backup(&full).expect("good");
}

#[test]
fn a_backup_made_while_a_database_is_missing_names_it_and_displaces_no_copy_of_it() {
    let directory = agentos::directory("agentos-v2");
    assert_eq!(run(directory.path(), &["upgrade"]).code, 0);
    assert_eq!(run(directory.path(), &["prune", "--keep", "1"]).code, 0);
    let before = BackupManager::new(directory.path()).list_backups().expect("lists").remove(0).id;
    std::fs::remove_file(directory.file("rules.db")).expect("removes");
    let said = run(directory.path(), &["backup"]);
    let missing = "not in the data directory, though in the set: rules\n";
    assert!(said.code == 0 && said.out.contains(missing), "{}{}", said.out, said.err);
    let json = run(directory.path(), &["backup", "--json"]).json();
    assert_eq!(json["missing_databases"], serde_json::json!(["rules"]));
    assert_eq!(run(directory.path(), &["prune", "--keep", "1"]).code, 0);
    let manager = BackupManager::new(directory.path());
    assert!(ids(&manager).contains(&before), "the last copy of rules is gone");
}

#[test]
fn the_cleaning_after_a_run_keeps_the_last_copy_of_a_database_that_the_run_did_not_find() {
    use agentos_migrate::{Migration, Migrator, Options, Registry, Target};
    let (directory, manager) = filled();
    let migrations = ["0001", "0002", "0003"]
        .map(|version| Migration::new(version, &["chat"], |_| Ok(())))
        .to_vec();
    let set = Registry::new(&["chat"], migrations);
    let upgrade = |version: &str| {
        let options = Options::default().keep_backups(1);
        let migrator = Migrator::new(set.clone(), directory.path()).with_options(options);
        migrator.upgrade(&Target::Version(version.parse().expect("a version"))).expect("upgrades");
    };
    upgrade("0001");
    let with_rules = ids(&manager);
    std::fs::remove_file(directory.file("rules.db")).expect("removes");
    upgrade("0002");
    upgrade("0003");
    let left = ids(&manager);
    assert!(left.len() == 2 && left.contains(&with_rules[0]), "{with_rules:?} {left:?}");
}

/// Runs the restore in the folder above the data directory, so that paths may be relative.
fn restore_from_above(directory: &Directory, id: &str, folder: &std::path::Path) -> i32 {
    let (above, name) = (
        directory.path().parent().expect("a parent"),
        directory.path().file_name().expect("a name"),
    );
    let mut command = command(std::path::Path::new(name), &["restore", id, "--yes"]);
    command.current_dir(above).arg("--backup-dir").arg(folder);
    command.output().expect("runs").status.code().expect("ends")
}

#[test]
fn a_restore_leaves_the_folder_of_backups_however_its_path_is_spelled() {
    for inner in ["mybk", "x/mybk"] {
        let (directory, _) = filled();
        let absolute = directory.file(inner);
        std::fs::create_dir_all(directory.file("x")).expect("creates");
        std::fs::write(directory.file("x/plain"), "plain").expect("writes");
        let manager = BackupManager::new(directory.path()).with_directory(&absolute);
        let id = made(&manager, &BackupOptions::default());
        let name = std::path::Path::new(directory.path().file_name().expect("a name"));
        let links = Directory::new();
        let linked = links.linked("link", &absolute);
        for folder in [name.join(inner), absolute.clone()].into_iter().chain(linked) {
            for _ in 0..2 {
                assert_eq!(restore_from_above(&directory, &id, &folder), 0, "{folder:?}");
                manager.verify_backup(&id).expect("the backup is where it was");
            }
        }
    }
}

#[test]
fn a_restore_leaves_other_folders_of_backups_in_the_data_directory() {
    for form in [Compression::Zstd, Compression::None] {
        let (directory, manager) = filled();
        let options = BackupOptions { compression: form, ..BackupOptions::default() };
        std::fs::create_dir(directory.file("deep")).expect("creates");
        std::fs::write(directory.file("deep/plain"), "plain").expect("writes");
        let old = made(&manager, &options);
        let others = ["other", "deep/other"].map(|inner| {
            let other = BackupManager::new(directory.path()).with_directory(directory.file(inner));
            let id = made(&other, &options);
            (other, id)
        });
        std::fs::write(directory.file("deep/later"), "later").expect("writes");
        for _ in 0..2 {
            assert_eq!(run(directory.path(), &["restore", &old, "--yes"]).code, 0);
            for (other, id) in &others {
                other.verify_backup(id).expect("is where it was");
            }
            assert!(!directory.file("deep/later").exists(), "not there at the time");
        }
    }
}

/// A real directory on which 0003 has run, with the backup of the moment before: 0003 is shared by
/// `conversations` and `intent_log`.
fn upgraded() -> (Directory, String) {
    let directory = agentos::directory("agentos-v2");
    assert_eq!(run(directory.path(), &["upgrade"]).code, 0);
    let manager = BackupManager::new(directory.path());
    let id = ids(&manager).remove(0);
    (directory, id)
}

#[test]
fn a_lost_or_damaged_database_is_not_restored_alone_if_it_had_migrations_that_others_share() {
    for lost in ["gone", "damaged", "empty"] {
        let (directory, id) = upgraded();
        let file = directory.file("conversations.db");
        std::fs::remove_file(&file).expect("removes");
        match lost {
            "damaged" => std::fs::write(&file, [7_u8; 9000]).expect("writes"),
            "empty" => directory.sql("conversations", "CREATE TABLE made_by_a_program(a)"),
            _ => {}
        }
        let before = directory.contents();
        let said = run(directory.path(), &["restore", &id, "--database", "conversations", "--yes"]);
        assert_eq!((said.code, directory.contents() == before), (64, true), "{lost} {}", said.err);
        let options = "--database conversations --database intent_log";
        assert!(said.err.contains(&format!("restore {id} {options}`")), "{lost} {}", said.err);
        assert!(said.err.contains("intent_log.db has 0003"), "{lost} {}", said.err);
        let mut led_out = vec!["restore", &id, "--yes"];
        led_out.extend(options.split(' '));
        let said = run(directory.path(), &led_out);
        assert!(said.code == 0 && said.out.contains("0003 is not in"), "{}{}", said.out, said.err);
        assert_eq!(run(directory.path(), &["upgrade"]).code, 0);
        assert_eq!(run(directory.path(), &["verify"]).code, 0);
    }
}

#[test]
fn a_database_that_needs_the_history_of_its_backup_is_told_with_it() {
    let (directory, _) = upgraded();
    let manager = BackupManager::new(directory.path());
    let newest = made(&manager, &BackupOptions::default());
    let older = ids(&manager).remove(1);
    assert_eq!(run(directory.path(), &["restore", &older, "--yes"]).code, 0);
    std::fs::remove_file(directory.file("conversations.db")).expect("removes");
    let alone = ["restore", &newest, "--database", "conversations", "--yes"];
    let said = run(directory.path(), &alone);
    assert!(said.code == 64 && said.err.contains("--database migrations"), "{}", said.err);
    let hint = said.err.split_once("together: `").expect("a hint").1;
    let hint = hint.split_once('`').expect("its end").0.to_owned() + " --yes";
    let said = run(directory.path(), &hint.split(' ').collect::<Vec<_>>());
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(run(directory.path(), &["verify"]).code, 0);
}

#[test]
fn a_backup_of_single_databases_is_refused_whole_as_its_databases_are() {
    let directory = agentos::directory("agentos-v2");
    let said = run(directory.path(), &["backup", "--database", "conversations", "--json"]).json();
    let named = said["backup_id"].as_str().expect("an id").to_owned();
    assert_eq!(run(directory.path(), &["upgrade"]).code, 0);
    let before = directory.contents();
    let single = ["restore", &named, "--database", "conversations", "--yes"];
    for arguments in [&["restore", &named, "--yes"][..], &single] {
        let said = run(directory.path(), arguments);
        assert_eq!((said.code, directory.contents() == before), (64, true), "{}", said.err);
        assert!(said.err.contains("intent_log.db has 0003"), "{}", said.err);
        assert!(said.err.contains("hint: restore a backup that holds the other databases too"));
        assert!(!said.err.contains(&format!("`restore {named}`")), "{}", said.err);
    }
}

#[test]
fn a_restore_of_a_python_tools_backup_leaves_the_blobs_that_it_lacks() {
    let directory = agentos::directory("agentos-v2");
    let manager = BackupManager::new(directory.path());
    let python = |entry: &agentos_migrate::BackupEntry| {
        entry.manifest.as_ref().is_some_and(|manifest| manifest.blob_storage)
    };
    let mut entries = manager.list_backups().expect("lists");
    entries.retain(python);
    let entry = entries.first().expect("one with blobs");
    let manifest = entry.manifest.as_ref().expect("good");
    let old = manifest.checksums.keys().find(|path| path.starts_with("blobs/")).expect("a blob");
    std::fs::write(directory.file(old), "spoilt").expect("writes");
    let later = ["blobs/later", "blobs/new/deeper/later", "metadata/later"];
    for path in later {
        std::fs::create_dir_all(directory.file(path).parent().expect("a parent")).expect("makes");
        std::fs::write(directory.file(path), path).expect("writes");
    }
    for _ in 0..2 {
        let said = run(directory.path(), &["restore", &entry.id, "--yes"]);
        assert_eq!(said.code, 0, "{}", said.err);
        for path in later {
            assert_eq!(std::fs::read_to_string(directory.file(path)).expect("there"), path);
        }
        assert_ne!(std::fs::read(directory.file(old)).expect("there"), b"spoilt");
    }
}

#[test]
fn every_restore_keeps_what_it_replaced_until_prune_removes_what_is_older_than_a_good_backup() {
    let (directory, manager) = filled();
    let id = made(&manager, &BackupOptions::default());
    let restored = |value: &str| {
        std::fs::write(directory.file("blobs/one"), value).expect("writes");
        let said = run(directory.path(), &["restore", &id, "--yes", "--json"]);
        assert_eq!(said.code, 0, "{}", said.err);
        std::path::PathBuf::from(said.json()["replaced"].as_str().expect("a path"))
    };
    let value = |tree: &std::path::PathBuf| std::fs::read_to_string(tree.join("blobs/one")).ok();
    let trees = ["first", "second", "third"].map(restored);
    let held = trees.each_ref().map(value);
    assert_eq!(held, ["first", "second", "third"].map(|value| Some(value.to_owned())));
    let prune = ["prune", "--keep", "1"];
    assert_eq!(run(directory.path(), &prune).code, 0);
    assert!(trees.iter().all(|tree| value(tree).is_some()), "no backup is newer");
    made(&manager, &BackupOptions::default());
    let preview = run(directory.path(), &["prune", "--keep", "1", "--dry-run"]);
    assert!(trees.iter().all(|tree| value(tree).is_some()), "a question");
    for said in [preview, run(directory.path(), &prune)] {
        for tree in &trees[..2] {
            let told = format!("{}, which a restore replaced", tree.display());
            assert!(said.out.contains(&told), "{}{}", said.out, said.err);
        }
    }
    assert_eq!(trees.each_ref().map(value), [None, None, Some("third".to_owned())]);
}

#[test]
fn a_folder_of_backups_that_holds_the_data_or_is_to_be_saved_itself_is_refused() {
    let (directory, _) = filled();
    let above = Directory::new();
    std::fs::rename(directory.path(), above.file("data")).expect("moves");
    let data = above.file("data");
    let link = Directory::new();
    let linked = link.linked("link", &data);
    let before = above.contents();
    let state = data.join(".agentos-migrate/x");
    let folders =
        [above.path().to_owned(), data.clone(), data.join("blobs"), data.join("blobs/x"), state];
    for folder in folders.into_iter().chain(linked) {
        let folder = folder.to_str().expect("UTF-8");
        let said = run(&data, &["backup", "--backup-dir", folder]);
        assert_eq!(said.code, 64, "{folder} {}{}", said.out, said.err);
        assert!(said.err.contains("the folder of backups"), "{folder} {}", said.err);
        assert!(!data.join("blobs/x").exists(), "nothing is made");
        assert_eq!(above.contents(), before, "{folder}");
    }
    let manager = BackupManager::new(&data).with_directory(above.path());
    manager.delete_backup("data").expect_err("the data directory itself");
    assert!(data.join("chat.db").exists());
    let elsewhere = data.join("elsewhere");
    let said = run(&data, &["backup", "--backup-dir", elsewhere.to_str().expect("UTF-8")]);
    assert_eq!(said.code, 0, "{}", said.err);
    std::fs::rename(&data, directory.path()).expect("moves back");
}

#[test]
fn only_what_an_unfinished_backup_or_removal_left_is_cleared_from_the_folder_of_backups() {
    let (_directory, manager) = filled();
    made(&manager, &BackupOptions::default());
    let id = "backup_20260101_000000_0a1b2c3d";
    let left = [
        format!(".tmp-{id}"),
        format!(".tmp-{id}.tar.zst"),
        format!(".tmp-removed-{id}"),
        ".tmp-removed-nightly".to_owned(),
    ];
    let foreign = [
        ".tmp-notes".to_owned(),
        ".tmp-backup".to_owned(),
        ".tmp-removed-".to_owned(),
        format!(".tmp-{id}.txt"),
        ".tmp-backup_20260101_000000_0A1B2C3E".to_owned(),
        ".tmp-backup_20261301_000000_0a1b2c3d".to_owned(),
    ];
    for name in left.iter().chain(&foreign) {
        std::fs::write(manager.directory().join(name), "mine").expect("writes");
    }
    made(&manager, &BackupOptions::default());
    let is_there = |name: &String| manager.directory().join(name).exists();
    assert!(!left.iter().any(is_there) && foreign.iter().all(is_there));
}

#[test]
fn a_folder_of_backups_that_holds_data_too_is_saved_with_that_and_without_its_backups() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    let folder = directory.file("crypto");
    let key =
        std::fs::read_dir(&folder).expect("reads").next().expect("one").expect("reads").path();
    let before = std::fs::read(&key).expect("reads");
    let manager = BackupManager::new(path).with_directory(&folder);
    let first = manager.create_backup(&BackupOptions::default()).expect("makes");
    std::fs::write(&key, "lost").expect("writes");
    let options = BackupOptions { compression: Compression::None, ..BackupOptions::default() };
    manager.create_backup(&options).expect("makes");
    let third = manager.create_backup(&options).expect("makes");
    let saved = |manifest: &Manifest| -> Vec<String> {
        let inside = |stored: &&String| stored.starts_with("files/crypto/");
        manifest.checksums.keys().filter(inside).cloned().collect()
    };
    let name = key.file_name().expect("a name").to_string_lossy();
    assert!(saved(&first).contains(&format!("files/crypto/{name}")), "{:?}", saved(&first));
    assert_eq!(saved(&third), saved(&first), "no backup is in another");
    manager.restore_backup(&first.backup_id, &RestoreOptions::default()).expect("restores");
    assert_eq!(std::fs::read(&key).expect("reads"), before);
    let entries = manager.list_backups().expect("lists");
    assert_eq!(entries.len(), 3, "{entries:?}");
    for entry in entries {
        manager.verify_backup(&entry.id).expect("is still good");
    }
}

#[test]
fn a_folder_that_holds_nothing_but_backups_is_no_part_of_one() {
    let directory = agentos::directory("agentos-v0");
    let manager = BackupManager::new(directory.path()).with_directory(directory.file("saved"));
    for _ in 0..2 {
        let made = manager.create_backup(&BackupOptions::default()).expect("makes");
        let is_there = |path: &String| path.contains("saved");
        assert!(!made.checksums.keys().chain(made.directories.keys()).any(is_there), "{made:?}");
        // What is left of one is no data.
        std::fs::create_dir_all(directory.file("saved/backup_20260114_083012_5f3a0b1c"))
            .expect("makes");
    }
}

#[test]
fn a_file_that_only_looks_like_a_database_with_its_log_is_saved_with_what_is_beside_it() {
    let directory = agentos::directory("agentos-v0");
    let files = [
        ("diary", "a text"),
        ("diary-journal", "another"),
        ("vault.db", "encrypted by another program"),
        ("vault.db-wal", "and its log"),
        ("gone.db-wal", "a log without its database"),
    ];
    for (name, text) in files {
        std::fs::write(directory.file(name), text).expect("writes");
    }
    let manager = BackupManager::new(directory.path());
    let manifest = manager.create_backup(&BackupOptions::default()).expect("makes");
    let note = |name: &str| format!("{name} is no database that SQLite can read: copied as it is");
    assert_eq!(manifest.notes, [note("diary"), note("vault.db")]);
    for (name, _) in files {
        std::fs::remove_file(directory.file(name)).expect("removes");
    }
    manager.restore_backup(&manifest.backup_id, &RestoreOptions::default()).expect("restores");
    for (name, text) in files {
        assert_eq!(std::fs::read_to_string(directory.file(name)).expect("is there"), text);
    }
}
