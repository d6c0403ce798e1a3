//! The lint says what a migration does to tables that hold rows, and nothing else.
//!
//! For each code a migration that has it, and its near miss that has not.

use agentos_migrate::testing::{LintFinding, LintReport, LintRule, Severity, lint, lint_where};
use agentos_migrate::{ErrorKind, Migration};

use crate::support::{Directory, command, registry, sql};

const NOTE: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT, size INTEGER)";
const FAMILY: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id) ON DELETE CASCADE);
    CREATE INDEX child_parent ON child (parent_id)";

/// The migration that makes the tables; what it finds is not looked at.
fn tables(setup: &'static str) -> Migration {
    sql("0001", "chat", setup, "").irreversible("it is only the ground")
}

/// A migration without a way back, as that is not what is looked at.
fn one_way(up: &'static str) -> Migration {
    sql("0002", "chat", up, "").irreversible("it is a test")
}

fn findings_of(setup: &'static str, migration: Migration) -> LintReport {
    let set = registry(vec![tables(setup), migration]);
    lint_where(&set, |info| info.version.to_string() == "0002").expect("runs")
}

fn codes(report: &LintReport) -> Vec<&str> {
    let mut codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

/// Returns the one finding, which is of this code.
#[track_caller]
fn only(code: &str, setup: &'static str, migration: Migration) -> LintFinding {
    let report = findings_of(setup, migration);
    assert_eq!(codes(&report), [code], "{:#?}", report.findings);
    report.findings[0].clone()
}

#[track_caller]
fn nothing(setup: &'static str, migration: Migration) {
    let report = findings_of(setup, migration);
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
}

#[test]
fn am101_a_table_is_dropped_with_its_rows() {
    let finding = only("AM101", NOTE, one_way("DROP TABLE note"));
    assert_eq!(finding.statement.as_deref(), Some("DROP TABLE note"));
    assert!(finding.rows[0].starts_with("note: id=1, body='a'"), "{:?}", finding.rows);
    nothing(NOTE, one_way("DROP TABLE note").deletes(&["note"]));
    nothing(NOTE, one_way("CREATE TABLE t (a); INSERT INTO t VALUES (1); DROP TABLE t"));
}

#[test]
fn am102_a_column_is_dropped_with_its_values() {
    let finding = only("AM102", NOTE, one_way("ALTER TABLE note DROP COLUMN size"));
    assert_eq!(finding.message, "column `size` of `note` is dropped with its values");
    assert_eq!(finding.severity, Severity::Error);
    let emptied = "ALTER TABLE note ADD COLUMN extra; ALTER TABLE note DROP COLUMN extra";
    nothing(NOTE, one_way(emptied));
}

#[test]
fn am103_rows_are_lost_through_a_trigger() {
    let setup = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);
        CREATE TRIGGER gone AFTER UPDATE ON a BEGIN DELETE FROM b; END";
    let finding = only("AM103", setup, one_way("UPDATE a SET id = id"));
    assert_eq!(finding.rows.len(), 2, "one row of each table: {:?}", finding.rows);
    nothing(setup, one_way("UPDATE a SET id = id").deletes(&["b"]));
}

#[test]
fn am104_children_are_left_without_their_parent() {
    let finding = only("AM104", FAMILY, one_way("DELETE FROM parent").deletes(&["parent"]));
    assert!(finding.message.contains("foreign key violation"), "{}", finding.message);
    assert!(finding.rows.iter().any(|row| row.starts_with("child: ")), "{:?}", finding.rows);
    let both = one_way("DELETE FROM child; DELETE FROM parent").deletes(&["parent", "child"]);
    nothing(FAMILY, both);
}

#[test]
fn am105_rows_are_deleted_that_nothing_declares() {
    let finding = only("AM105", NOTE, one_way("DELETE FROM note WHERE body IS NULL"));
    assert!(finding.message.starts_with("1 of 8 rows of `note`"), "{}", finding.message);
    assert!(finding.rows[0].contains("body=NULL"), "{:?}", finding.rows);
    nothing(NOTE, one_way("DELETE FROM note WHERE body IS NULL").deletes(&["note"]));
    nothing(NOTE, one_way("DELETE FROM note WHERE id < 0 AND id > 0"));
}

#[test]
fn am106_every_value_of_a_column_is_replaced_by_one() {
    let finding = only("AM106", NOTE, one_way("UPDATE note SET body = 'new'"));
    assert_eq!(finding.statement.as_deref(), Some("UPDATE note SET body = 'new'"));
    nothing(NOTE, one_way("UPDATE note SET body = 'new' WHERE body IS NULL"));
    nothing(NOTE, one_way("UPDATE note SET body = trim(body)"));
    nothing(NOTE, one_way("ALTER TABLE note ADD COLUMN state TEXT; UPDATE note SET state = 'new'"));
}

#[test]
fn am107_values_change_with_the_type_of_their_column() {
    let retyped = |name: &'static str| {
        Migration::new("0002", &["chat"], move |ctx| {
            ctx.rebuild_table("chat", "note", |table| {
                table.set_type("body", name);
            })?;
            Ok(())
        })
        .irreversible("it is a test")
    };
    let finding = only("AM107", NOTE, retyped("INTEGER"));
    assert!(finding.message.contains("'007' became 7"), "{}", finding.message);
    nothing(NOTE, retyped("VARCHAR(20)"));
}

#[test]
fn am108_a_table_is_made_anew_by_hand_and_not_all_of_it() {
    let setup = "CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT COLLATE NOCASE, \
        size INTEGER CHECK (size IS NULL OR size <> 3)); CREATE INDEX by_body ON note (body); \
        CREATE TRIGGER stamp AFTER INSERT ON note BEGIN SELECT 1; END";
    let careless = "CREATE TABLE new (id INTEGER PRIMARY KEY, body TEXT, size INTEGER); \
        INSERT INTO new SELECT * FROM note; DROP TABLE note; ALTER TABLE new RENAME TO note";
    let finding = only("AM108", setup, one_way(careless));
    for part in
        ["COLLATE NOCASE of `body`", "AUTOINCREMENT", "CHECK", "index `by_body`", "trigger `stamp`"]
    {
        assert!(finding.message.contains(part), "{part}: {}", finding.message);
    }
    let careful = "CREATE TABLE new (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT COLLATE NOCASE, \
        size INTEGER CHECK (size IS NULL OR size <> 3) DEFAULT 0); \
        INSERT INTO new SELECT * FROM note; DROP TABLE note; ALTER TABLE new RENAME TO note; \
        CREATE INDEX by_body ON note (body); CREATE TRIGGER stamp AFTER INSERT ON note BEGIN SELECT 1; END";
    nothing(setup, one_way(careful));
    let rebuilt = Migration::new("0002", &["chat"], |ctx| {
        ctx.rebuild_table("chat", "note", |table| {
            table.set_default("body", "'new'");
        })?;
        Ok(())
    });
    nothing(setup, rebuilt.irreversible("it is a test"));
}

#[test]
fn am109_a_view_a_trigger_or_a_foreign_key_does_not_work_any_more() {
    let old_first = "ALTER TABLE parent RENAME TO parent_old; CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT); \
        INSERT INTO parent SELECT * FROM parent_old; DROP TABLE parent_old";
    let report = findings_of(FAMILY, one_way(old_first));
    assert!(codes(&report).contains(&"AM109"), "{:#?}", report.findings);
    let setup = "CREATE TABLE note (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM note";
    let dropped = one_way("DROP TABLE note").deletes(&["note"]);
    assert!(only("AM109", setup, dropped).message.starts_with("view `v`"));
    nothing(setup, one_way("DROP VIEW v; DROP TABLE note").deletes(&["note"]));
}

#[test]
fn am201_a_required_column_comes_without_a_default() {
    let finding = only("AM201", NOTE, one_way("ALTER TABLE note ADD COLUMN state TEXT NOT NULL"));
    assert_eq!(finding.rows.len(), 1, "one row is enough: {:?}", finding.rows);
    nothing(NOTE, one_way("ALTER TABLE note ADD COLUMN state TEXT NOT NULL DEFAULT ''"));
}

#[test]
fn am202_a_column_comes_with_a_computed_default() {
    only("AM202", NOTE, one_way("ALTER TABLE note ADD COLUMN at TEXT DEFAULT CURRENT_TIMESTAMP"));
    nothing(NOTE, one_way("ALTER TABLE note ADD COLUMN at TEXT DEFAULT '1970-01-01'"));
}

#[test]
fn am203_a_unique_index_meets_duplicates_and_the_two_rows_are_shown() {
    let finding = only("AM203", NOTE, one_way("CREATE UNIQUE INDEX one ON note (body)"));
    assert_eq!(finding.rows.len(), 2, "{:?}", finding.rows);
    assert!(finding.rows.iter().all(|row| row.contains("body='a'")), "{:?}", finding.rows);
    nothing(NOTE, one_way("CREATE UNIQUE INDEX one ON note (id, body)"));
    let merged = "DELETE FROM note WHERE id NOT IN (SELECT min(id) FROM note GROUP BY body); \
        CREATE UNIQUE INDEX one ON note (body)";
    nothing(NOTE, one_way(merged).deletes(&["note"]));
}

#[test]
fn am204_null_meets_not_null() {
    let required = |sql: &'static str| {
        Migration::new("0002", &["chat"], move |ctx| {
            ctx.execute_batch("chat", sql)?;
            Ok(())
        })
        .irreversible("it is a test")
    };
    let rebuild = "CREATE TABLE n (id INTEGER PRIMARY KEY, body TEXT NOT NULL, size INTEGER); \
        INSERT INTO n SELECT * FROM note; DROP TABLE note; ALTER TABLE n RENAME TO note";
    let finding = only("AM204", NOTE, required(rebuild));
    assert_eq!(finding.rows.len(), 1);
    assert!(finding.rows[0].contains("body=NULL"), "{:?}", finding.rows);
    let filled = "CREATE TABLE n (id INTEGER PRIMARY KEY, body TEXT NOT NULL, size INTEGER); \
        INSERT INTO n SELECT id, coalesce(body, ''), size FROM note; DROP TABLE note; ALTER TABLE n RENAME TO note";
    nothing(NOTE, required(filled));
}

#[test]
fn am205_rows_do_not_satisfy_a_check() {
    let rebuild = "CREATE TABLE n (id INTEGER PRIMARY KEY, body TEXT CHECK (body <> ''), size INTEGER); \
        INSERT INTO n SELECT * FROM note; DROP TABLE note; ALTER TABLE n RENAME TO note";
    let finding = only("AM205", NOTE, one_way(rebuild));
    assert!(finding.rows[0].contains("body=''"), "{:?}", finding.rows);
    let filled = "CREATE TABLE n (id INTEGER PRIMARY KEY, body TEXT CHECK (body <> ''), size INTEGER); \
        INSERT INTO n SELECT id, nullif(body, ''), size FROM note; DROP TABLE note; ALTER TABLE n RENAME TO note";
    nothing(NOTE, one_way(filled));
}

#[test]
fn am206_a_strict_table_does_not_take_what_the_old_one_held() {
    let strict = "CREATE TABLE n (id INTEGER PRIMARY KEY, body TEXT, size INTEGER) STRICT; \
        INSERT INTO n SELECT * FROM note; DROP TABLE note; ALTER TABLE n RENAME TO note";
    let finding = only("AM206", NOTE, one_way(strict));
    assert!(finding.message.contains("cannot store"), "{}", finding.message);
    let cast = "CREATE TABLE n (id INTEGER PRIMARY KEY, body TEXT, size INTEGER) STRICT; \
        INSERT INTO n SELECT id, CAST(body AS TEXT), CAST(size AS INTEGER) FROM note; \
        DROP TABLE note; ALTER TABLE n RENAME TO note";
    nothing(NOTE, one_way(cast));
}

#[test]
fn am207_a_value_is_read_as_a_type_that_it_does_not_have() {
    let reading = |where_: &'static str| {
        Migration::new("0002", &["chat"], move |ctx| {
            let sql = format!("SELECT body FROM note {where_}");
            ctx.query_map("chat", &sql, [], |row| row.get::<_, Option<String>>(0))?;
            Ok(())
        })
        .irreversible("it is a test")
    };
    let finding = only("AM207", NOTE, reading(""));
    assert!(finding.rows.len() == 1 && finding.rows[0].contains("X'00FF'"), "{:?}", finding.rows);
    nothing(NOTE, reading("WHERE typeof(body) IN ('text', 'null')"));
}

#[test]
fn am210_a_migration_fails_on_rows_for_a_reason_of_its_own() {
    let longest = |most: i64| {
        Migration::new("0002", &["chat"], move |ctx| {
            let sql = "SELECT coalesce(max(length(body)), 0) FROM note";
            let length: i64 = ctx.query_row("chat", sql, [], |row| row.get(0))?;
            if length > most {
                return Err(agentos_migrate::MigrationError::msg("a note is too long"));
            }
            Ok(())
        })
        .irreversible("it is a test")
    };
    let finding = only("AM210", NOTE, longest(100));
    assert_eq!(finding.message, "a note is too long");
    assert!(finding.rows.len() == 1 && finding.rows[0].contains("long long"), "{:?}", finding.rows);
    nothing(NOTE, longest(10_000));
    let unsure = one_way("SELECT 1").validate(|ctx| {
        ctx.query_row("chat", "SELECT count(*) < 3 FROM note", [], |row| row.get(0))
    });
    assert_eq!(only("AM210", NOTE, unsure).rows.len(), 3);
}

#[test]
fn am211_a_migration_fails_on_empty_tables_and_the_rest_is_not_examined() {
    let needs_one = Migration::new("0002", &["chat"], |ctx| {
        ctx.query_row("chat", "SELECT id FROM note", [], |row| row.get::<_, i64>(0))?;
        Ok(())
    })
    .irreversible("it is a test");
    only("AM211", NOTE, needs_one.clone());
    let set = registry(vec![tables(NOTE), needs_one, sql("0003", "chat", "SELECT 1", "SELECT 1")]);
    let report = lint(&set).expect("runs");
    assert_eq!(report.notes, ["not examined, as 0002 does not run: 0003"]);
    nothing(NOTE, one_way("SELECT id FROM note"));
}

#[test]
fn am301_a_downgrade_does_not_restore_the_schema() {
    let up = "ALTER TABLE note ADD COLUMN extra TEXT";
    let finding = only(
        "AM301",
        NOTE,
        sql("0002", "chat", up, "ALTER TABLE note RENAME COLUMN extra TO rest"),
    );
    assert_eq!(finding.message, "after the downgrade table `note` is another");
    assert!(finding.diff.expect("a difference").contains("+    rest TEXT"));
    nothing(NOTE, sql("0002", "chat", up, "ALTER TABLE note DROP COLUMN extra"));
}

#[test]
fn am302_a_downgrade_loses_data_and_does_not_say_so() {
    let up = "CREATE TABLE kept AS SELECT id, size FROM note; ALTER TABLE note DROP COLUMN size";
    let back = "ALTER TABLE note ADD COLUMN size INTEGER; \
        UPDATE note SET size = (SELECT size FROM kept WHERE kept.id = note.id); DROP TABLE kept";
    let forgets = "ALTER TABLE note ADD COLUMN size INTEGER; DROP TABLE kept";
    let allowed = ["AM102: the downgrade finds the values in `kept`"];
    let finding = only("AM302", NOTE, sql("0002", "chat", up, forgets).allow(&allowed));
    assert_eq!(finding.message, "`note` has other values in `size` after up and down than before");
    nothing(NOTE, sql("0002", "chat", up, back).allow(&allowed));
    let deletes = sql("0002", "chat", "SELECT 1", "DELETE FROM note");
    assert_eq!(
        only("AM302", NOTE, deletes).message,
        "`note` held 8 row(s), and after up and down it is empty"
    );
}

#[test]
fn am302_rows_that_were_written_after_the_upgrade_count_too() {
    let up = "ALTER TABLE note ADD COLUMN state TEXT DEFAULT 'old'";
    let down = "DELETE FROM note WHERE state <> 'old'; ALTER TABLE note DROP COLUMN state";
    let finding = only("AM302", NOTE, sql("0002", "chat", up, down));
    assert!(finding.message.contains("written after the upgrade"), "{}", finding.message);
}

#[test]
fn am303_there_is_neither_a_way_back_nor_a_reason() {
    let migration = |sql: &'static str| {
        Migration::new("0002", &["chat"], move |ctx| {
            ctx.execute_batch("chat", sql)?;
            Ok(())
        })
    };
    only("AM303", NOTE, migration("SELECT 1"));
    only("AM303", NOTE, migration("SELECT 1").irreversible(" "));
    nothing(NOTE, migration("SELECT 1").irreversible("what was there is not known"));
}

#[test]
fn am304_a_downgrade_fails_on_rows_that_the_new_schema_allows() {
    let up = "CREATE TABLE pair (id INTEGER PRIMARY KEY, one TEXT, two TEXT)";
    let down = "CREATE UNIQUE INDEX one ON pair (one); DROP TABLE pair";
    let finding = only("AM304", NOTE, sql("0002", "chat", up, down));
    assert_eq!(finding.rows.len(), 2, "{:?}", finding.rows);
    nothing(NOTE, sql("0002", "chat", up, "DROP TABLE pair"));
}

#[test]
fn am305_a_migration_does_not_run_again_after_its_downgrade() {
    let keeps = |up| sql("0002", "chat", up, "SELECT 1").allow(&["AM301: the table may stay"]);
    let finding = only("AM305", NOTE, keeps("CREATE TABLE more (a)"));
    assert!(finding.message.contains("already exists"), "{}", finding.message);
    nothing(
        NOTE,
        keeps("DROP TABLE IF EXISTS more; CREATE TABLE more (a)")
            .allow(&["AM301: the table may stay", "AM502: it is there the second time"]),
    );
}

#[test]
fn am401_and_am402_a_table_or_a_column_is_renamed() {
    let finding = only("AM401", NOTE, one_way("ALTER TABLE note RENAME TO memo"));
    assert!(finding.message.starts_with("table `note` is now `memo`"), "{}", finding.message);
    let by_hand = "CREATE TABLE memo AS SELECT * FROM note; DROP TABLE note";
    only("AM401", NOTE, one_way(by_hand));
    let view = "ALTER TABLE note RENAME TO memo; CREATE VIEW note AS SELECT * FROM memo";
    nothing(NOTE, one_way(view));
    let finding = only("AM402", NOTE, one_way("ALTER TABLE note RENAME COLUMN body TO text"));
    assert!(
        finding.message.starts_with("column `body` of `note` is now `text`"),
        "{}",
        finding.message
    );
    let by_hand = "ALTER TABLE note ADD COLUMN text TEXT; UPDATE note SET text = body; ALTER TABLE note DROP COLUMN body";
    only("AM402", NOTE, one_way(by_hand));
    nothing(NOTE, one_way("ALTER TABLE note ADD COLUMN text TEXT; UPDATE note SET text = body"));
}

#[test]
fn am501_a_migration_wants_what_is_the_engines() {
    let finding = only("AM501", NOTE, one_way("BEGIN; UPDATE note SET size = 1; COMMIT"));
    assert!(finding.message.contains("BEGIN, COMMIT or ROLLBACK"), "{}", finding.message);
    nothing(NOTE, one_way("SAVEPOINT s; UPDATE note SET size = 1 WHERE size IS NULL; RELEASE s"));
}

#[test]
fn am502_if_exists_hides_that_nothing_happens() {
    let other = "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, title TEXT)";
    let finding = only("AM502", NOTE, one_way(other));
    assert!(
        finding.message.contains("another one than this statement says"),
        "{}",
        finding.message
    );
    let finding = only("AM502", NOTE, one_way("DROP TABLE IF EXISTS nota"));
    assert_eq!(finding.message, "there is no table `nota` here: it drops nothing");
    nothing(NOTE, one_way("CREATE TABLE IF NOT EXISTS more (a); DROP TABLE IF EXISTS more"));
    let made_again = "DROP TABLE IF EXISTS note; CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, body TEXT, size INTEGER)";
    nothing(NOTE, one_way(made_again).deletes(&["note"]));
}

#[test]
fn am503_a_foreign_key_has_no_index() {
    let bare = "CREATE TABLE part (id INTEGER PRIMARY KEY, note_id INTEGER REFERENCES note (id))";
    let finding = only("AM503", NOTE, one_way(bare));
    assert!(finding.message.contains("(note_id) to `note`"), "{}", finding.message);
    let indexed = "CREATE TABLE part (id INTEGER PRIMARY KEY, note_id INTEGER REFERENCES note (id)); \
        CREATE INDEX part_note ON part (note_id, id)";
    nothing(NOTE, one_way(indexed));
    nothing(NOTE, one_way("CREATE TABLE part (note_id INTEGER PRIMARY KEY REFERENCES note (id))"));
}

#[test]
fn am901_an_allow_is_used_with_its_reason_and_an_unused_one_is_told() {
    let dropped = one_way("DROP TABLE note").allow(&["AM101: nobody read it"]);
    let report = findings_of(NOTE, dropped);
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_eq!(report.allowed[0].reason, "nobody read it");
    only("AM901", NOTE, one_way("SELECT 1").allow(&["AM101: nobody read it"]));
}

#[test]
fn a_set_whose_allow_means_nothing_is_refused() {
    for (allow, told) in
        [("AM999: why", "no lint rule"), ("AM101", "no reason"), ("AM101: ", "no reason")]
    {
        let set = registry(vec![tables(NOTE).allow(Box::leak(Box::new([allow])))]);
        let error = lint(&set).expect_err(allow);
        assert_eq!(error.kind(), ErrorKind::InvalidSet);
        assert!(error.details()[0].contains(told), "{error:?}");
    }
}

#[test]
fn a_finding_stands_at_the_migration_in_the_source() {
    let line = line!() + 1;
    let migration = Migration::new("0002", &["chat"], |ctx| {
        ctx.execute("chat", "DROP TABLE note", [])?;
        Ok(())
    });
    let finding = only("AM101", NOTE, migration.irreversible("it is a test"));
    assert_eq!((finding.file, finding.line), (file!(), line));
}

#[test]
fn agent_os_own_set_has_no_finding_and_says_why_where_it_would_have() {
    let report = lint(&migrations::registry()).expect("runs");
    report.check().expect("clean");
    assert_eq!(report.examined, 3);
    assert!(
        report.allowed.iter().all(|one| one.finding.version == "0001"),
        "{:#?}",
        report.allowed
    );
    assert_eq!(report.proofs.len(), 3);
}

#[test]
fn every_rule_is_tested_here_and_explained_with_an_example() {
    let chapter = include_str!("lint.rs");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lint.md"));
    let page = page.expect("reads");
    for rule in LintRule::all() {
        assert!(chapter.contains(&format!("\"{}\"", rule.code)), "{} has no test", rule.code);
        let section = page.split(&format!("\n### {} {}\n", rule.code, rule.title)).nth(1);
        let section =
            section.unwrap_or_else(|| panic!("docs/lint.md has no {} {}", rule.code, rule.title));
        let section = section.split("\n### ").next().expect("a section");
        assert!(section.contains("```"), "{} has no example", rule.code);
        assert!(section.contains("Fix: "), "{} has no fix", rule.code);
    }
    let codes = page.matches("\n### AM").count();
    assert_eq!(codes, LintRule::all().len(), "docs/lint.md explains a code that is not there");
}

#[test]
fn the_macro_crate_knows_the_same_codes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../agentos-migrate-macros/src/lint_codes.rs");
    let text = std::fs::read_to_string(path).expect("reads");
    let list = text.split("CODES: &[&str] = &[").nth(1).and_then(|text| text.split("];").next());
    let known: Vec<&str> = list.expect("a list").split('"').skip(1).step_by(2).collect();
    let codes: Vec<&str> = LintRule::all().iter().map(|rule| rule.code).collect();
    assert_eq!(known, codes);
}

#[test]
fn the_command_answers_as_text_as_annotations_and_as_json_and_touches_nothing() {
    let directory = Directory::new();
    let said = command::run(directory.path(), &["lint"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(said.out.ends_with("nothing found in 3 migration(s), 6 allowed\n"), "{}", said.out);
    let json = command::run(directory.path(), &["lint", "--format", "json"]).json();
    assert_eq!(json["examined"], 3);
    assert_eq!(json["allowed"][0]["code"], "AM301");
    assert_eq!(
        command::run(directory.path(), &["lint", "--json", "--since", "0002"]).json()["examined"],
        1
    );
    assert_eq!(
        command::run(directory.path(), &["lint", "--unreleased", "--json"]).json()["examined"],
        0
    );
    assert_eq!(command::run(directory.path(), &["lint", "0002", "--json"]).json()["examined"], 1);
    assert_eq!(command::run(directory.path(), &["lint", "0042"]).code, 64);
    assert!(directory.contents().is_empty());
}
