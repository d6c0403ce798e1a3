//! The command line: the answer on standard output, talk on standard error, exit statuses that mean something.

use crate::support::command::{command, run, said};
use crate::support::{Directory, agentos};

#[test]
fn the_main_job_on_real_data() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    let status = run(path, &["status", "--check"]);
    assert_eq!((status.code, status.err.as_str()), (2, ""));
    let upgrade = run(path, &["upgrade"]);
    assert_eq!((upgrade.code, upgrade.out.as_str()), (0, "3 applied\n"), "{}", upgrade.err);
    assert!(upgrade.err.contains("backup    backup_"), "{}", upgrade.err);
    assert_eq!(run(path, &["status", "--check"]).code, 0);
    assert_eq!(run(path, &["upgrade"]).out, "nothing to do\n");
    assert_eq!(run(path, &["verify"]).code, 0);
    let downgrade = run(path, &["downgrade", "--target", "0001", "--no-backup"]);
    assert_eq!((downgrade.code, downgrade.out.as_str()), (0, "2 reverted\n"), "{}", downgrade.err);
}

#[test]
fn a_first_start_makes_the_default_directory_and_no_other() {
    let home = Directory::new();
    let upgrade = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_command-line-under-test"));
        command.args(arguments).env("HOME", home.path());
        // As Windows calls it.
        command.env("USERPROFILE", home.path()).env_remove("AGENT_OS_DATA_DIR");
        said(command.output().expect("runs"))
    };
    let data_dir = home.file(".agent-os/data");
    assert_eq!(upgrade(&["status"]).code, 1);
    assert_eq!(upgrade(&["upgrade", "--dry-run"]).code, 1);
    assert!(!data_dir.exists());
    let named = home.file("elsewhere");
    assert_eq!(upgrade(&["--data-dir", &named.to_string_lossy(), "upgrade"]).code, 1);
    assert!(!named.exists());
    let first = upgrade(&["upgrade"]);
    assert_eq!((first.code, first.out.as_str()), (0, "3 applied\n"), "{}", first.err);
    assert!(data_dir.join("conversations.db").exists());
}

#[test]
fn json_is_one_document_with_the_keys_of_the_contract() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    let status = run(path, &["--json", "status"]).json();
    assert_eq!(
        (status["pending_count"].as_i64(), status["pending"][0]["state"].as_str()),
        (Some(3), Some("pending"))
    );
    let upgrade = run(path, &["upgrade", "--json"]);
    assert_eq!(upgrade.err, "");
    let upgrade = upgrade.json();
    assert!(
        upgrade["backup_id"].as_str().is_some_and(|id| id.starts_with("backup_"))
            && upgrade["dry_run"] == false
    );
    for key in [
        "version",
        "name",
        "success",
        "execution_time_ms",
        "error_message",
        "checksum",
        "applied_at",
    ] {
        assert!(upgrade["results"][0].get(key).is_some(), "{key}");
    }
    let error = run(path, &["downgrade", "--target", "0042", "--json"]);
    assert_eq!(error.code, 64);
    for key in ["code", "message", "hint", "state_on_disk"] {
        assert!(error.json()["error"][key].is_string(), "{key}: {}", error.out);
    }
    let wrong = run(path, &["upgrade", "--tarket", "1", "--json"]);
    assert_eq!((wrong.code, wrong.json()["error"]["code"].as_str()), (64, Some("usage")));
    for arguments in [
        &["plan"][..],
        &["graph"],
        &["history"],
        &["list-backups"],
        &["verify"],
        &["schema"],
        &["recover"],
        &["lock", "--check"],
        &["lint"],
    ] {
        let said = run(path, &[arguments, &["--json"]].concat());
        assert_eq!((said.code, said.json().is_object()), (0, true), "{arguments:?}");
    }
}

#[test]
fn every_exit_status_means_what_help_says() {
    let directory = agentos::directory("agentos-v2");
    let path = directory.path();
    assert_eq!(run(path, &["status", "--check"]).code, 2);
    directory
        .sql("migrations", "UPDATE migration_history SET checksum = 'x' WHERE version = '0001'");
    assert_eq!(run(path, &["upgrade"]).code, 3);
    assert_eq!(run(path, &["verify"]).code, 3);
    assert_eq!(run(path, &["accept", "0001"]).code, 0);
    assert_eq!(run(path, &["upgrade", "--no-backup"]).code, 0);
    directory.sql(
        "migrations",
        "INSERT INTO migration_history VALUES ('0099', 'future', 'now', 'x', 1, 0, NULL)",
    );
    let newer = run(path, &["upgrade"]);
    assert_eq!(newer.code, 4);
    assert!(newer.err.contains("0099 `future`") && newer.err.contains("hint: "), "{}", newer.err);
    directory.sql("migrations", "DELETE FROM migration_history WHERE version = '0099'");
    let holder = rusqlite::Connection::open(directory.file("conversations.db")).expect("opens");
    holder.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let back = ["downgrade", "--target", "0002", "--no-backup", "--wait", "50ms"];
    assert_eq!(run(path, &back).code, 5);
    drop(holder);
    let collision = agentos::directory("agentos-v0-collision");
    assert_eq!(run(collision.path(), &["upgrade"]).code, 6);
    assert_eq!(run(&directory.file("nowhere"), &["status"]).code, 1);
    for wrong in [
        &["upgrade", "--target", "1"][..],
        &["upgrade", "--target", "0042"],
        &["downgrade"],
        &["nothing"],
        &["restore", "../x", "--yes"],
        &[],
    ] {
        assert_eq!(run(path, wrong).code, 64, "{wrong:?}");
    }
    assert_eq!(run(path, &["--help"]).code, 0);
}

#[test]
fn force_runs_a_modified_migration_again() {
    let directory = agentos::directory("agentos-v2");
    directory
        .sql("migrations", "UPDATE migration_history SET checksum = 'x' WHERE version = '0002'");
    let forced = run(directory.path(), &["upgrade", "--force", "--no-backup", "--json"]);
    assert_eq!(forced.code, 0, "{}", forced.out);
    assert_eq!(forced.json()["results"].as_array().expect("results").len(), 2);
    assert_eq!(
        directory.ask("migrations", "SELECT kind FROM migration_events WHERE version = '0002'"),
        "forced"
    );
}

// Proves G6.
#[test]
fn questions_change_no_byte_and_make_no_file() {
    let directory = agentos::directory("agentos-v0");
    let before = directory.contents();
    for arguments in [
        &["status"][..],
        &["plan"],
        &["graph"],
        &["history"],
        &["verify"],
        &["list-backups"],
        &["restore"],
        &["schema"],
        &["upgrade", "--dry-run"],
        &["prune", "--dry-run"],
        &["lock", "--check"],
        &["lint"],
    ] {
        assert_eq!(run(directory.path(), arguments).code, 0, "{arguments:?}");
        assert_eq!(directory.contents(), before, "{arguments:?}");
    }
    assert!(!directory.file(".agentos-migrate").exists());
}

#[test]
fn the_data_directory_is_that_of_the_flag_then_of_the_variable() {
    let (flag, variable) = (agentos::directory("agentos-v2"), Directory::new());
    let of = |command: &mut std::process::Command| {
        said(command.output().expect("runs")).json()["applied_count"].as_i64()
    };
    assert_eq!(
        of(command(flag.path(), &["status", "--json"]).env("AGENT_OS_DATA_DIR", variable.path())),
        Some(2)
    );
    let mut alone = std::process::Command::new(env!("CARGO_BIN_EXE_command-line-under-test"));
    assert_eq!(of(alone.args(["status", "--json"]).env("AGENT_OS_DATA_DIR", flag.path())), Some(2));
}

#[test]
fn colours_are_for_terminals_and_whoever_insists() {
    let directory = agentos::directory("agentos-v0");
    assert!(!run(directory.path(), &["status"]).out.contains('\u{1b}'));
    assert!(run(directory.path(), &["status", "--color", "always"]).out.contains('\u{1b}'));
    let mut quiet = command(directory.path(), &["status"]);
    quiet.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "0");
    assert!(!said(quiet.output().expect("runs")).out.contains('\u{1b}'));
}

#[test]
fn a_backup_goes_round_by_command() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    let made = run(path, &["backup", "--metadata", "reason=before the demo", "--json"]);
    let id = made.json()["backup_id"].as_str().expect("an id").to_owned();
    assert!(run(path, &["list-backups"]).out.contains("before the demo"));
    directory.sql("conversations", "DELETE FROM messages");
    let refused = run(path, &["restore", &id]);
    assert_eq!(refused.code, 64);
    assert!(refused.err.contains("there is no terminal to ask"), "{}", refused.err);
    assert_eq!(run(path, &["restore", &id, "--yes"]).code, 0);
    assert_eq!(directory.ask("conversations", "SELECT count(*) FROM messages"), "3072");
    assert_eq!(run(path, &["verify", "--backup", &id]).code, 0);
    assert_eq!(run(path, &["prune", "--keep", "1"]).out, "removed 0 backup(s)\n");
}

#[test]
fn the_completions_know_every_command() {
    let directory = Directory::new();
    let script = run(directory.path(), &["completions", "bash"]).out;
    for word in ["upgrade", "list-backups", "recover", "--all-or-nothing"] {
        assert!(script.contains(word), "{word}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_could_not_be_written_is_a_failure_and_a_reader_that_left_is_none() {
    let directory = agentos::directory("agentos-v0");
    let into = |out: std::fs::File, arguments: &[&str]| {
        said(command(directory.path(), arguments).stdout(out).output().expect("runs"))
    };
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("opens");
    for arguments in [&["status"][..], &["--json", "status"], &["--help"], &["completions", "bash"]]
    {
        let lost = into(full(), arguments);
        assert_eq!(lost.code, 1, "{arguments:?}");
        assert!(lost.err.starts_with("error: the answer could not be written: "), "{}", lost.err);
    }
    let lost = into(full(), &["upgrade", "--no-backup"]);
    assert_eq!(lost.code, 1);
    assert!(lost.err.contains("the command itself was carried out"), "{}", lost.err);
    assert_eq!(run(directory.path(), &["status", "--check"]).code, 0);

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = command(directory.path(), &["status"]);
    let left = said(command.stdout(writer).output().expect("runs"));
    assert_eq!((left.code, left.err.as_str()), (0, ""));
}

#[test]
fn a_question_about_a_file_that_is_kept_locked_gives_up_soon_and_a_run_waits_as_it_is_told() {
    let directory = agentos::directory("agentos-v2");
    let holder = rusqlite::Connection::open(directory.file("migrations.db")).expect("opens");
    holder.execute_batch("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE").expect("locks");
    for (arguments, seconds) in
        [(&["status"][..], 4), (&["upgrade", "--wait", "100ms"], 2), (&["history"], 4)]
    {
        let begun = std::time::Instant::now();
        let busy = run(directory.path(), arguments);
        assert_eq!(busy.code, 5, "{arguments:?} {}", busy.err);
        assert!(begun.elapsed().as_secs() < seconds, "{arguments:?} took {:?}", begun.elapsed());
    }
}
