//! Options: what a caller may ask of a run besides its target.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentos_migrate::{
    BackupManager, BackupOptions, BackupPolicy, ErrorKind, Migrator, Options, Progress, Target,
};

use crate::support::{Directory, registry, three};

fn with(directory: &Directory, options: Options) -> Migrator {
    Migrator::new(registry(three()), directory.path()).with_options(options)
}

fn to(version: &str) -> Target {
    Target::Version(version.parse().expect("a version"))
}

#[test]
fn automatic_backups_beyond_the_wanted_number_go_after_a_run_and_others_stay() {
    let directory = Directory::new();
    let elsewhere = Directory::new();
    let options = || Options::default().backup_directory(elsewhere.path());
    with(&directory, options()).upgrade(&to("0001")).expect("upgrades");
    let manager = BackupManager::new(directory.path()).with_directory(elsewhere.path());
    let by_hand = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    let backed_up = |migrator: Migrator, target: &str| {
        migrator.upgrade(&to(target)).expect("upgrades").backup_id.expect("a backup")
    };
    let second = backed_up(with(&directory, options()), "0002");
    let ids = || {
        let entries = manager.list_backups().expect("lists");
        entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(), [second.as_str(), &by_hand], "all are kept where nothing is said");
    let third = backed_up(with(&directory, options().keep_backups(1)), "0003");
    assert_eq!(ids(), [third.as_str(), &by_hand]);
    with(&directory, options().keep_backups(0))
        .downgrade(&"0002".parse().expect("a version"))
        .expect("reverts");
    let left = ids();
    assert!(left.len() == 2 && left[1] == by_hand, "the newest stays whatever is said: {left:?}");
    assert!(!directory.file("backups").exists());
}

#[test]
fn a_run_whose_backup_cannot_be_made_changes_nothing_unless_it_is_told_to_go_on() {
    let directory = Directory::new();
    with(&directory, Options::default()).upgrade(&to("0001")).expect("upgrades");
    std::fs::write(directory.file("no folder"), "").expect("writes");
    let before = directory.contents();
    let options = || Options::default().backup_directory(directory.file("no folder"));
    let failure = with(&directory, options()).upgrade(&Target::Latest).expect_err("refused");
    assert_eq!(failure.kind(), ErrorKind::BackupFailed, "{failure:?}");
    assert_eq!(failure.state(), Some("nothing was changed"));
    assert!(failure.hint().is_some_and(|hint| hint.contains("--no-backup")), "{failure:?}");
    assert_eq!(directory.contents(), before);

    let told = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&told);
    let options = options().backup(BackupPolicy::BestEffort).observer(move |progress| {
        let failed = matches!(progress, Progress::BackupFailed { .. });
        counted.fetch_add(usize::from(failed), Ordering::Relaxed);
    });
    let report = with(&directory, options).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!((report.results.len(), report.backup_id), (2, None));
    assert_eq!(told.load(Ordering::Relaxed), 1, "it is said");
}

#[test]
fn what_the_set_declares_for_backups_is_what_they_hold() {
    let directory = Directory::new();
    for file in ["keys.json", "cache.bin"] {
        std::fs::write(directory.file(file), file).expect("writes");
    }
    let set = registry(three()).with_backup(&["keys.json"]);
    Migrator::new(set.clone(), directory.path()).upgrade(&to("0001")).expect("upgrades");
    let manager =
        BackupManager::for_registry(&set, directory.path()).with_application_version("7.1");
    let manifest = manager.create_backup(&BackupOptions::default()).expect("makes");
    assert_eq!(manifest.agent_os_version, "7.1");
    let held: Vec<&str> = manifest.checksums.keys().map(String::as_str).collect();
    assert_eq!(held, ["databases/chat.db", "databases/migrations.db", "files/keys.json"]);
}
