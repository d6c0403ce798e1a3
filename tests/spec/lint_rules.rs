//! What the lint says of migrations that fail on rows, can't be undone, or are not what they
//! seem: `AM2xx`, `AM3xx` and `AM5xx`.
//!
//! For each code a migration that has it, and its near miss that has not.

use agentos_migrate::Migration;
use agentos_migrate::testing::lint;

use crate::support::lint::{NOTE, nothing, one_way, only, tables};
use crate::support::{registry, sql};

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
fn am208_null_is_read_as_a_type_that_has_none() {
    let reading = |where_: &'static str| {
        Migration::new("0002", &["chat"], move |ctx| {
            let sql = format!("SELECT size FROM note WHERE typeof(size) <> 'text' {where_}");
            ctx.query_map("chat", &sql, [], |row| row.get::<_, i64>(0))?;
            Ok(())
        })
        .irreversible("it is a test")
    };
    let finding = only("AM208", NOTE, reading(""));
    assert!(finding.rows.len() == 1 && finding.rows[0].contains("size=NULL"), "{:?}", finding.rows);
    nothing(NOTE, reading("AND size IS NOT NULL"));
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
