//! Damaged files: a glance sees what no program could open, `verify` the rest, and the hint of either
//! is a command that works as it is written.

use std::path::Path;

use agentos_migrate::rusqlite::Connection;
use agentos_migrate::{
    BackupManager, BackupOptions, ErrorKind, Finding, Migration, Migrator, RestoreOptions, Target,
};

use crate::support::command::run;
use crate::support::{Directory, agentos, migrator, sql, three, upgraded};

/// Does what a hint says of `restore`, with this backup.
fn follow(hint: &str, manager: &BackupManager, id: &str) {
    let (_, command) = hint.split_once("`restore ID").expect("a restore");
    let (options, _) = command.split_once('`').expect("a command");
    let databases = options.split(" --database ").skip(1).map(|name| name.trim().to_owned());
    let options = RestoreOptions { databases: databases.collect(), ..RestoreOptions::default() };
    let restored = manager.restore_backup(id, &options);
    restored.unwrap_or_else(|error| panic!("{hint}: {error:?}"));
}

fn manager(directory: &Directory, migrator: &Migrator) -> BackupManager {
    BackupManager::for_registry(migrator.registry(), directory.path())
}

/// The finding about a database, whose code is this.
#[track_caller]
fn finding(migrator: &Migrator, code: &str, database: &str) -> Finding {
    let findings = migrator.verify().expect("verifies").findings;
    let is_it = |it: &&Finding| it.code == code && it.database.as_deref() == Some(database);
    findings.iter().find(is_it).unwrap_or_else(|| panic!("{findings:#?}")).clone()
}

/// Writes over bytes of a file.
fn overwrite(path: &Path, at: usize, with: &[u8]) {
    let mut bytes = std::fs::read(path).expect("reads");
    bytes[at..at + with.len()].copy_from_slice(with);
    std::fs::write(path, bytes).expect("writes");
}

#[test]
fn a_file_that_no_program_could_open_is_seen_by_status_and_plan() {
    let (directory, migrator) = upgraded();
    let path = directory.file("rules.db");
    let whole = std::fs::read(&path).expect("reads");
    let cases: [(&str, &dyn Fn()); 5] = [
        ("is no SQLite database", &|| overwrite(&path, 0, b"garbage")),
        ("pages of 5 bytes", &|| overwrite(&path, 16, &[0, 5])),
        ("is no SQLite database", &|| std::fs::write(&path, "other").expect("cuts")),
        ("40 bytes are left", &|| std::fs::write(&path, &whole[..40]).expect("cuts")),
        ("and 8192 are there", &|| std::fs::write(&path, &whole[..8192]).expect("cuts")),
    ];
    for (told, damage) in cases {
        std::fs::write(&path, &whole).expect("mends");
        migrator.status().expect("all is well");
        damage();
        let before = directory.contents();
        for error in
            [migrator.status().expect_err(told), migrator.plan(&Target::Latest).expect_err(told)]
        {
            assert_eq!(error.kind(), ErrorKind::DamagedDatabase, "{error:?}");
            assert!(error.to_string().contains("rules.db is "), "{error}");
            assert!(error.to_string().contains(told), "{error}");
            assert_eq!(error.state(), Some("nothing was changed"));
        }
        finding(&migrator, "damaged", "rules");
        assert_eq!(directory.contents(), before);
    }
}

#[test]
fn what_is_not_in_the_file_yet_is_no_damage() {
    let (directory, migrator) = upgraded();
    // A header whose size does not count, as an older SQLite leaves it.
    overwrite(&directory.file("rules.db"), 24, &[9, 9, 9, 9, 0, 0, 0, 99]);
    migrator.status().expect("answers");
    let program = Connection::open(directory.file("chat.db")).expect("opens");
    program.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(a)").expect("writes");
    migrator.status().expect("answers");
    program.execute_batch("BEGIN EXCLUSIVE").expect("locks");
    migrator.status().expect("answers");
}

#[test]
fn the_restore_that_is_hinted_at_mends_a_database_that_shares_migrations_and_one_that_does_not() {
    let alone = || sql("0004", "rules", "CREATE TABLE more(a)", "DROP TABLE more");
    let apart = vec![
        sql("0001", "chat", "CREATE TABLE chat(a)", "DROP TABLE chat"),
        sql("0002", "rules", "CREATE TABLE rule(a)", "DROP TABLE rule"),
        alone(),
    ];
    let mut sharing = three();
    sharing.push(alone());
    for (set, earlier, named) in [
        (apart, "0002", "`restore ID --database rules`"),
        (sharing, "0002", "`restore ID` from a good one: all databases share migrations"),
    ] {
        let directory = Directory::new();
        let migrator = migrator(&directory, set);
        let target = Target::Version(earlier.parse().expect("a version"));
        migrator.upgrade(&target).expect("upgrades");
        let manager = manager(&directory, &migrator);
        let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
        migrator.upgrade(&Target::Latest).expect("upgrades");
        overwrite(&directory.file("rules.db"), 0, b"garbage");
        let told = migrator.status().expect_err("is damaged");
        let hint = told.hint().expect("a hint").to_owned();
        assert!(hint.contains(named), "{hint}");
        assert_eq!(finding(&migrator, "damaged", "rules").hint, hint);
        follow(&hint, &manager, &id);
        migrator.upgrade(&Target::Latest).expect("goes on");
        assert_eq!(migrator.verify().expect("verifies").findings, []);
    }
}

#[test]
fn the_restore_that_is_hinted_at_mends_damage_that_only_sqlite_sees() {
    let directory = agentos::directory("agentos-v0");
    let migrator = Migrator::new(migrations::registry(), directory.path());
    let backup = migrator.upgrade(&Target::Latest).expect("upgrades").backup_id.expect("one");
    let manager = manager(&directory, &migrator);
    overwrite(&directory.file("rules.db"), 4096, &[0xff; 64]);
    migrator.status().expect("the header is good");
    let hint = finding(&migrator, "damaged", "rules").hint;
    follow(&hint, &manager, &backup);
    migrator.upgrade(&Target::Latest).expect("goes on");
    assert_eq!(migrator.verify().expect("verifies").findings, []);
}

#[test]
fn a_folder_in_the_place_of_a_database_is_a_finding() {
    let (directory, applied) = upgraded();
    let nothing_applied = migrator(&directory, three());
    for (migrator, code) in [(&applied, "no_file"), (&nothing_applied, "damaged")] {
        if code == "damaged" {
            migrator.downgrade(&"0001".parse().expect("a version")).expect("downgrades");
        }
        let rules = directory.file("rules.db");
        std::fs::rename(&rules, directory.file("aside")).expect("moves");
        std::fs::create_dir(&rules).expect("makes");
        let found = finding(migrator, code, "rules");
        assert!(found.message.contains("rules.db is a directory"), "{found:?}");
        assert_eq!(code == "damaged", found.hint.contains("mv "), "{found:?}");
        let error = migrator.schema().expect_err("there is none to show");
        assert_eq!(error.kind(), ErrorKind::DamagedDatabase, "{error:?}");
        std::fs::remove_dir(&rules).expect("removes");
        std::fs::rename(directory.file("aside"), &rules).expect("moves");
    }
}

#[test]
fn what_a_restore_took_away_runs_again_below_what_depends_on_it() {
    let directory = Directory::new();
    let chain = || -> Vec<Migration> {
        vec![
            sql("0001", "chat", "CREATE TABLE chat(a)", "DROP TABLE chat"),
            sql("0002", "rules", "CREATE TABLE rule(a)", "DROP TABLE rule").depends_on(&["0001"]),
            sql("0003", "chat", "ALTER TABLE chat ADD b", "ALTER TABLE chat DROP b")
                .depends_on(&["0002"]),
        ]
    };
    let migrator = migrator(&directory, chain());
    directory.sql("rules", "CREATE TABLE old(a)");
    migrator.upgrade(&Target::Version("0001".parse().expect("a version"))).expect("upgrades");
    let manager = manager(&directory, &migrator);
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    migrator.upgrade(&Target::Latest).expect("upgrades");
    let options =
        RestoreOptions { databases: vec!["rules".to_owned()], ..RestoreOptions::default() };
    let report = manager.restore_backup(&id, &options).expect("restores");
    assert_eq!(report.to_run_again, ["0002"]);
    let report = migrator.upgrade(&Target::Latest).expect("runs it again");
    assert_eq!(report.results.len(), 1);
    assert_eq!(migrator.verify().expect("verifies").findings.len(), 1, "the table `old`");
}

#[test]
fn what_a_restore_took_away_and_this_program_does_not_have_is_told_so() {
    let directory = agentos::directory("agentos-v0");
    assert_eq!(run(directory.path(), &["upgrade", "--no-backup"]).code, 0);
    let manager = BackupManager::for_registry(&migrations::registry(), directory.path());
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    // A newer program runs its 0009.
    directory.sql(
        "migrations",
        "INSERT INTO migration_history VALUES ('0009', 'newer', '2026-01-14T08:30:12.000000Z', 'x', 1, 1.0, NULL)",
    );
    directory.sql(
        "rules",
        "INSERT INTO schema_version (version, migration_version, applied_at) VALUES ('2', '0009', '2026-01-14T08:30:12.000000Z')",
    );
    let restored = run(directory.path(), &["restore", &id, "--database", "rules", "--yes"]);
    assert_eq!(restored.code, 0, "{}", restored.err);
    let told = "0009 is not in the restored databases: the newer program that has it runs it again";
    assert!(restored.out.contains(told), "{}", restored.out);
}

/// Puts something in the place of a database, and beside it what SQLite would take for its log.
fn spoil(directory: &Directory) {
    std::fs::write(directory.file("rules.db"), "no database").expect("writes");
    std::fs::write(directory.file("rules.db-wal"), "no log of it").expect("writes");
    std::fs::write(directory.file("rules.db-journal"), "no journal of it").expect("writes");
}

#[test]
fn no_command_takes_away_what_stands_beside_a_file_that_is_no_database() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    assert_eq!(run(path, &["upgrade", "--target", "0002"]).code, 0);
    let manager = BackupManager::for_registry(&migrations::registry(), path);
    let id = manager.list_backups().expect("lists")[0].id.clone();
    spoil(&directory);
    // A run that died left the file to be switched.
    std::fs::write(directory.file(".agentos-migrate/journal-modes"), "# …\nrules\n")
        .expect("writes");
    let before = directory.contents();
    for arguments in [
        &["status"][..],
        &["plan"],
        &["verify"],
        &["schema"],
        &["upgrade"],
        &["upgrade", "--no-backup"],
        &["upgrade", "--no-backup", "--force"],
        &["downgrade", "--target", "0001", "--no-backup"],
        &["backup"],
        &["recover"],
        &["restore", &id, "--database", "rules", "--yes"],
    ] {
        let said = run(path, arguments);
        assert!([3, 64].contains(&said.code), "{arguments:?}: {} {}", said.code, said.err);
        assert_eq!(directory.contents(), before, "{arguments:?}");
    }
    let restored = run(path, &["restore", &id, "--yes", "--json"]);
    assert_eq!(restored.code, 0, "{}", restored.out);
    let replaced = restored.json()["replaced"].as_str().expect("a path").to_owned();
    for name in ["rules.db", "rules.db-wal", "rules.db-journal"] {
        let kept = std::fs::read_to_string(Path::new(&replaced).join(name)).expect("is kept");
        assert!(kept.starts_with("no "), "{name}: {kept}");
    }
    assert_eq!(run(path, &["upgrade"]).code, 0);
    assert_eq!(run(path, &["verify"]).code, 0);
}
