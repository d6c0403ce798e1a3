//! Backups: of one moment, readable by anybody, restored whole or not at all.

use std::sync::atomic::{AtomicBool, Ordering};

use agentos_migrate::rusqlite::Connection;
use agentos_migrate::{
    BackupManager, BackupOptions, Blobs, Compression, ErrorKind, RestoreOptions, Target,
    Verification,
};

use crate::support::{Directory, agentos, hash_of, migrator, registry, three};

fn directory_form() -> BackupOptions {
    BackupOptions { compression: Compression::None, ..BackupOptions::default() }
}

/// Ends the writer also when an assertion fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

// Proves G5.
#[test]
fn a_backup_under_a_live_writer_is_one_moment_across_the_databases() {
    let directory = Directory::new();
    for database in ["chat", "rules"] {
        directory.sql(database, "PRAGMA journal_mode = WAL; CREATE TABLE account(amount); INSERT INTO account VALUES (1000)");
    }
    let stop = AtomicBool::new(false);
    let manager = BackupManager::new(directory.path());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let [from, to] = ["chat", "rules"].map(|name| {
                let connection =
                    Connection::open(directory.file(&format!("{name}.db"))).expect("opens");
                connection.busy_timeout(std::time::Duration::from_secs(10)).expect("sets");
                connection
            });
            while !stop.load(Ordering::Relaxed) {
                // Both are held before either is changed: a transfer is one moment for a careful writer.
                from.execute_batch("BEGIN IMMEDIATE").expect("begins");
                to.execute_batch("BEGIN IMMEDIATE").expect("begins");
                from.execute("UPDATE account SET amount = amount - 1", []).expect("takes");
                to.execute("UPDATE account SET amount = amount + 1", []).expect("gives");
                to.execute_batch("COMMIT").expect("commits");
                from.execute_batch("COMMIT").expect("commits");
            }
        });
        let _ends = Ends(&stop);
        for _ in 0..50 {
            let id = manager.create_backup(&directory_form()).expect("makes").backup_id;
            let amount = |name: &str| -> i64 {
                let path = manager.directory().join(&id).join(format!("databases/{name}.db"));
                Connection::open(path)
                    .expect("opens")
                    .query_row("SELECT amount FROM account", [], |row| row.get(0))
                    .expect("reads")
            };
            let total = amount("chat") + amount("rules");
            assert_eq!(total, 2000, "torn between the two databases");
        }
    });
}

#[cfg(target_os = "linux")] // Not every system has the program `sha256sum`.
#[test]
fn tar_sha256sum_and_sqlite_alone_read_a_backup() {
    let directory = agentos::directory("agentos-v0");
    let manager = BackupManager::new(directory.path());
    let manifest = manager.create_backup(&BackupOptions::default()).expect("makes");
    let out = Directory::new();
    let archive = manager.directory().join(format!("{}.tar.zst", manifest.backup_id));
    // The `zstd` program may be missing where tests run; the stream is plain zstd.
    let stream = zstd::stream::read::Decoder::new(std::fs::File::open(archive).expect("opens"))
        .expect("zstd");
    tar::Archive::new(stream).unpack(out.path()).expect("unpacks");
    let tree = out.file(&manifest.backup_id);
    let sums = std::process::Command::new("sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(&tree)
        .status();
    assert!(sums.expect("sha256sum runs").success());
    let copy = Connection::open(tree.join("databases/conversations.db")).expect("opens");
    let count: i64 =
        copy.query_row("SELECT count(*) FROM messages", [], |row| row.get(0)).expect("reads");
    assert_eq!(count, 3072);
    for path in ["crypto/keys.json", "chunks"] {
        assert!(tree.join("files").join(path).exists(), "{path} is missing");
    }
}

// Proves G5.
#[test]
fn a_restore_brings_back_every_byte_and_keeps_what_it_replaced() {
    let directory = agentos::directory("agentos-v0");
    let manager = BackupManager::new(directory.path());
    let blob = walk(&directory.file("blobs")).remove(0);
    let before = hash_of(&blob);
    for options in [BackupOptions::default(), directory_form()] {
        let id = manager.create_backup(&options).expect("makes").backup_id;
        std::fs::write(&blob, "spoilt").expect("writes");
        directory.sql("conversations", "DELETE FROM messages");
        std::fs::write(directory.file("later.txt"), "not there at the time").expect("writes");
        let report = manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
        assert_eq!(hash_of(&blob), before);
        assert_eq!(directory.ask("conversations", "SELECT count(*) FROM messages"), "3072");
        assert!(!directory.file("later.txt").exists());
        assert!(report.replaced.join("later.txt").exists());
    }
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn stale_side_files_do_not_reach_the_restored_database() {
    let directory = Directory::new();
    directory.sql("chat", "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    let manager = BackupManager::new(directory.path());
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    directory.sql("chat", "INSERT INTO t SELECT 2 FROM t; INSERT INTO t SELECT 3 FROM t");
    std::fs::write(directory.file("chat.db-journal"), "stale").expect("writes");
    manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
    assert_eq!(directory.ask("chat", "SELECT group_concat(a) FROM t"), "1");
    assert_eq!(directory.ask("chat", "PRAGMA journal_mode"), "wal");
}

#[test]
fn after_a_restore_history_and_schema_agree() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    let manager = BackupManager::for_registry(&registry(three()), directory.path());
    migrator.upgrade(&Target::Version("0001".parse().expect("a version"))).expect("upgrades");
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    migrator.upgrade(&Target::Latest).expect("upgrades");
    manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
    assert_eq!(migrator.status().expect("asks").current_version.as_deref(), Some("0001"));
    assert!(!directory.file("rules.db").exists(), "it was not there when the backup was made");
    assert!(migrator.verify().expect("verifies").findings.is_empty());
    assert_eq!(migrator.upgrade(&Target::Latest).expect("upgrades").results.len(), 2);
}

fn only(database: &str) -> RestoreOptions {
    RestoreOptions { databases: vec![database.to_owned()], ..RestoreOptions::default() }
}

#[test]
fn a_single_database_comes_back_and_its_migrations_are_pending_again() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three().into_iter().take(2).collect());
    let manager = BackupManager::new(directory.path());
    migrator.upgrade(&Target::Version("0001".parse().expect("a version"))).expect("upgrades");
    directory.sql("rules", "CREATE TABLE unrelated (id INTEGER)");
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    migrator.upgrade(&Target::Latest).expect("upgrades");
    let report = manager.restore_backup(&id, &only("rules")).expect("restores");
    assert_eq!(
        (report.databases, report.to_run_again),
        (vec!["rules".to_owned()], vec!["0002".to_owned()])
    );
    assert_eq!(migrator.upgrade(&Target::Latest).expect("runs again").results.len(), 1);
}

#[test]
fn a_single_database_that_shares_a_migration_with_another_is_refused() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    let manager = BackupManager::new(directory.path());
    migrator.upgrade(&Target::Version("0002".parse().expect("a version"))).expect("upgrades");
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    migrator.upgrade(&Target::Latest).expect("upgrades");
    let before = directory.contents();
    for database in ["chat", "rules", "migrations"] {
        let error = manager.restore_backup(&id, &only(database)).expect_err("0003 is on both");
        assert_eq!(error.kind(), ErrorKind::Usage, "{database}: {error:?}");
        assert_eq!(directory.contents(), before);
        assert!(!directory.file(".agentos-migrate/restore-new").exists());
    }
    let both = RestoreOptions {
        databases: vec!["chat".to_owned(), "rules".to_owned()],
        ..RestoreOptions::default()
    };
    assert_eq!(manager.restore_backup(&id, &both).expect("restores").to_run_again, ["0003"]);
    assert_eq!(migrator.upgrade(&Target::Latest).expect("runs again").results.len(), 1);
}

#[test]
fn a_restore_is_refused_while_a_program_uses_a_file() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a)");
    let manager =
        BackupManager::new(directory.path()).with_wait(std::time::Duration::from_millis(100));
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    let before = directory.contents();
    let holder = Connection::open(directory.file("chat.db")).expect("opens");
    holder.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let error = manager.restore_backup(&id, &RestoreOptions::default()).expect_err("in use");
    assert_eq!((error.kind(), error.state()), (ErrorKind::Busy, Some("nothing was changed")));
    assert_eq!(directory.contents(), before);
    drop(holder);
    manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
}

// Proves G5.
#[test]
fn a_damaged_backup_is_listed_as_such_and_not_restored() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a)");
    let manager = BackupManager::new(directory.path());
    let folder = manager.create_backup(&directory_form()).expect("makes").backup_id;
    let archive = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    let file = manager.directory().join(&folder).join("databases/chat.db");
    let mut bytes = std::fs::read(&file).expect("reads");
    bytes[5000] ^= 1;
    std::fs::write(&file, bytes).expect("writes");
    let path = manager.directory().join(format!("{archive}.tar.zst"));
    let bytes = std::fs::read(&path).expect("reads");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("truncates");
    let before = directory.contents();
    for id in [&folder, &archive] {
        assert_eq!(
            manager.verify_backup(id).expect_err("damaged").kind(),
            ErrorKind::DamagedBackup
        );
        assert_eq!(
            manager.restore_backup(id, &RestoreOptions::default()).expect_err("damaged").kind(),
            ErrorKind::DamagedBackup
        );
    }
    let skip = RestoreOptions { verify: Verification::Skip, ..RestoreOptions::default() };
    drop(manager.restore_backup(&archive, &skip).expect_err("half an archive is none"));
    assert_eq!(directory.contents(), before);
    assert_eq!(manager.list_backups().expect("lists").len(), 2);
    let error = manager.verify_backup("backup_20250101_000000_0000").expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::UnknownBackup);
}

#[test]
fn backups_of_the_python_tool_are_listed_verified_and_restored() {
    let directory = agentos::directory("agentos-v2");
    let manager = BackupManager::for_registry(&migrations::registry(), directory.path());
    let ids: Vec<String> =
        manager.list_backups().expect("lists").into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, ["backup_20261123_094130_b8f49313", "backup_20261123_094129_9e3a1f29"]);
    for id in &ids {
        manager.verify_backup(id).expect("good");
    }
    // The archive was made before any migration and holds no migrations.db: nothing is applied afterwards.
    manager.restore_backup(&ids[1], &RestoreOptions::default()).expect("restores");
    let migrator = agentos_migrate::Migrator::new(migrations::registry(), directory.path());
    assert_eq!(migrator.status().expect("asks").applied_count, 0);
    assert_eq!(
        directory.ask(
            "conversations",
            "SELECT count(*) FROM pragma_table_info('conversations') WHERE name = 'tags'"
        ),
        "0"
    );
    manager.restore_backup(&ids[0], &RestoreOptions::default()).expect("restores");
    assert_eq!(migrator.status().expect("asks").current_version.as_deref(), Some("0002"));
    migrator.upgrade(&Target::Latest).expect("upgrades");
}

#[test]
fn old_backups_go_and_the_newest_good_one_never() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a)");
    let manager = BackupManager::new(directory.path());
    let made: Vec<String> = (0..4)
        .map(|_| manager.create_backup(&BackupOptions::default()).expect("makes").backup_id)
        .collect();
    assert_eq!(manager.cleanup_old_backups(2, 365).expect("cleans").removed, [] as [String; 0]);
    assert_eq!(
        manager.preview_cleanup(2, 0).expect("asks").removed,
        [made[1].clone(), made[0].clone()]
    );
    assert_eq!(manager.cleanup_old_backups(2, 0).expect("cleans").removed.len(), 2);
    assert_eq!(manager.cleanup_old_backups(0, 0).expect("cleans").removed, [made[2].clone()]);
    assert_eq!(manager.list_backups().expect("lists")[0].id, made[3]);
    for id in ["..", "../x", "/etc", ""] {
        assert_eq!(manager.delete_backup(id).expect_err("no id").kind(), ErrorKind::UnknownBackup);
    }
    manager.delete_backup(&made[3]).expect("a person may");
}

#[cfg(unix)]
#[test]
fn unchanged_files_share_their_space_with_the_backup_before() {
    use std::os::unix::fs::MetadataExt;

    let directory = agentos::directory("agentos-v0");
    let manager = BackupManager::new(directory.path());
    let first = manager.create_backup(&directory_form()).expect("makes").backup_id;
    let second = manager.create_backup(&directory_form()).expect("makes").backup_id;
    let inode = |id: &str| {
        walk(&manager.directory().join(id).join("blobs"))[0].metadata().expect("reads").ino()
    };
    assert_eq!(inode(&first), inode(&second));
    assert_ne!(
        inode(&first),
        walk(&directory.file("blobs"))[0].metadata().expect("reads").ino(),
        "never with live files"
    );
    manager.delete_backup(&first).expect("removes");
    manager.verify_backup(&second).expect("good");
}

#[cfg(unix)]
#[test]
fn files_are_private_and_links_are_not_followed() {
    use std::os::unix::fs::PermissionsExt;

    let directory = Directory::new();
    let secret = Directory::new();
    std::fs::write(secret.file("secret"), "outside").expect("writes");
    directory.sql("chat", "CREATE TABLE t(a)");
    std::fs::create_dir(directory.file("blobs")).expect("creates");
    std::os::unix::fs::symlink(secret.file("secret"), directory.file("blobs/link")).expect("links");
    std::os::unix::fs::symlink("/nowhere", directory.file("dangling")).expect("links");
    let manager = BackupManager::new(directory.path());
    let manifest = manager.create_backup(&directory_form()).expect("makes");
    assert_eq!(manifest.notes.len(), 2, "{:?}", manifest.notes);
    let mode =
        |path: &std::path::Path| path.metadata().expect("reads").permissions().mode() & 0o777;
    let tree = manager.directory().join(&manifest.backup_id);
    assert_eq!(mode(&tree), 0o700);
    assert!(walk(&tree).iter().all(|file| mode(file) == 0o600));
    let archive = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    assert_eq!(mode(&manager.directory().join(format!("{archive}.tar.zst"))), 0o600);
}

/// Elsewhere an open file is renamed with its folder.
#[cfg(windows)]
#[test]
fn a_restore_begins_only_when_no_file_of_a_folder_that_it_replaces_is_open() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a)");
    let blob = directory.file("blobs/a/one");
    std::fs::create_dir_all(directory.file("blobs/a")).expect("makes");
    std::fs::write(&blob, "one").expect("writes");
    let manager = BackupManager::new(directory.path()).with_wait(std::time::Duration::ZERO);
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    let before = directory.contents();
    let reader = std::fs::File::open(&blob).expect("opens");
    let error = manager.restore_backup(&id, &RestoreOptions::default()).expect_err("is open");
    assert_eq!((error.kind(), error.state()), (ErrorKind::Busy, Some("nothing was changed")));
    drop(reader);
    assert_eq!(directory.contents(), before);
    manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
}

#[test]
fn an_archive_that_reaches_outside_is_refused() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a)");
    let manager = BackupManager::new(directory.path());
    std::fs::create_dir_all(manager.directory()).expect("creates");
    let before = directory.contents();
    let hostile: [(&str, &str, tar::EntryType); 4] = [
        ("b/../../evil", "x", tar::EntryType::Regular),
        ("/tmp/evil", "x", tar::EntryType::Regular),
        ("b/link", "", tar::EntryType::Symlink),
        ("b/fifo", "", tar::EntryType::Fifo),
    ];
    for (index, (name, content, kind)) in hostile.into_iter().enumerate() {
        let mut builder =
            tar::Builder::new(zstd::stream::Encoder::new(Vec::new(), 1).expect("zstd"));
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o4777);
        header.as_gnu_mut().expect("gnu").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, content.as_bytes()).expect("appends");
        let bytes = builder.into_inner().expect("ends").finish().expect("ends");
        let path = manager.directory().join(format!("hostile{index}.tar.zst"));
        std::fs::write(&path, bytes).expect("writes");
        let error = manager
            .restore_backup(&format!("hostile{index}"), &RestoreOptions::default())
            .expect_err("hostile");
        assert_eq!(error.kind(), ErrorKind::DamagedBackup, "{name}: {error}");
        std::fs::remove_file(path).expect("removes");
    }
    assert_eq!(directory.contents(), before);
    assert!(!std::path::Path::new("/tmp/evil").exists());
}

// Proves G5.
#[test]
fn an_upgrade_is_backed_up_first_and_a_failure_names_the_backup() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    let mut set = three();
    set.push(crate::support::sql("0004", "chat", "SELECT nowhere", ""));
    let migrator = agentos_migrate::Migrator::new(registry(set), directory.path());
    let failure = migrator.upgrade(&Target::Latest).expect_err("fails");
    let id = failure.report.backup_id.clone().expect("a backup");
    assert!(
        failure.details().iter().any(|line| line.contains(&format!("restore {id}"))),
        "{:?}",
        failure.details()
    );
    let manager = BackupManager::new(directory.path());
    assert_eq!(
        manager.verify_backup(&id).expect("good").metadata["reason"],
        "before upgrade to 0004"
    );
}

#[test]
fn databases_alone_and_named_ones_can_be_backed_up() {
    let directory = agentos::directory("agentos-v0");
    let manager = BackupManager::new(directory.path());
    let options = BackupOptions { blobs: Blobs::Exclude, ..BackupOptions::default() };
    assert!(
        manager
            .create_backup(&options)
            .expect("makes")
            .checksums
            .keys()
            .all(|path| path.starts_with("databases/"))
    );
    let options = BackupOptions { databases: vec!["rules".to_owned()], ..BackupOptions::default() };
    assert_eq!(manager.create_backup(&options).expect("makes").databases, ["rules"]);
    let options = BackupOptions { databases: vec!["rule".to_owned()], ..BackupOptions::default() };
    let error = manager.create_backup(&options).expect_err("unknown");
    assert_eq!(error.hint(), Some("did you mean `rules`?"));
}
