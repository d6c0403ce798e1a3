//! Random tables: an innocuous change keeps the definition, the facts and every row.

use proptest::prelude::*;
use proptest::sample::select;

use super::support::Database;
use crate::schema::tokens::quote_name;

const NAMES: [&str; 12] =
    ["a", "B", "my col", "order", "\"q\"", "it's", "rowid", "key", "d.e", "ü", "type", "[b]"];
const TYPES: [&str; 8] =
    ["", "TEXT", "INTEGER", "VARCHAR(20)", "DECIMAL(10, 2)", "BLOB", "REAL", "UNSIGNED BIG INT"];
const CONSTRAINTS: [&str; 14] = [
    "",
    "NOT NULL DEFAULT 'n'",
    "CONSTRAINT \"a b\" NOT NULL ON CONFLICT REPLACE DEFAULT (1 + 1)",
    "DEFAULT -1.5",
    "DEFAULT x'ab'",
    "DEFAULT CURRENT_TIMESTAMP",
    "COLLATE NOCASE",
    "/* ), ( */ CHECK (1) NULL",
    "REFERENCES p(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
    "REFERENCES t",
    "-- a, (comment\n DEFAULT ('it''s, ('||')') COLLATE RTRIM",
    "CHECK (2 > 1) DEFAULT NULL",
    "DEFAULT \"text\"",
    "UNIQUE ON CONFLICT ABORT",
];
const OPTIONS: [&str; 3] = ["", " -- end", " WITHOUT ROWID"];
const VALUES: [&str; 10] =
    ["NULL", "1", "'x'", "x'00'", "-0.5", "''", "9223372036854775807", "'007'", "1e300", "'é'"];

prop_compose! {
    /// Columns that no other has the name of, each with a type and a clause, and a generated one at times.
    fn table()(
        names in proptest::sample::subsequence(NAMES.to_vec(), 1..7),
        parts in prop::collection::vec((select(&TYPES[..]), select(&CONSTRAINTS[..])), 7),
        has_key in any::<bool>(),
        is_generated in any::<bool>(),
        option in select(&OPTIONS[..]),
    ) -> (String, Vec<String>) {
        let columns: Vec<String> = names.iter().map(|name| quote_name(name)).collect();
        let mut items: Vec<String> = columns
            .iter()
            .zip(&parts)
            .map(|(column, (declared_type, constraint))| format!("{column} {declared_type} {constraint}"))
            .collect();
        if is_generated {
            items.push(format!("generated AS ({} || 'x') STORED -- made\n", columns[0]));
        }
        if has_key || option.contains("WITHOUT") {
            items.push("d TEXT".to_owned());
            items.push("k INTEGER PRIMARY KEY".to_owned());
        } else {
            items.push("k INTEGER, d TEXT".to_owned());
        }
        (format!("CREATE TABLE t({}){option}", items.join(",\n ")), columns)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    // Proves G4.
    #[test]
    fn an_innocuous_change_keeps_everything(
        (sql, columns) in table(),
        rows in prop::collection::vec(prop::collection::vec(select(&VALUES[..]), 7), 0..8),
    ) {
        let database = Database::new("CREATE TABLE p(id INTEGER PRIMARY KEY)");
        database.run(&sql);
        database.run(&format!("CREATE INDEX i ON t({0} DESC, k) WHERE {0} <> 'd'; CREATE VIEW v AS SELECT * FROM t", columns[0]));
        for (at, row) in rows.iter().enumerate() {
            let values: Vec<&str> = row.iter().copied().take(columns.len()).collect();
            let insert = format!("INSERT OR IGNORE INTO t(k, {}) VALUES ({at}, {})", columns.join(", "), values.join(", "));
            database.run(&insert);
        }
        let facts = [
            "SELECT * FROM t", "SELECT count(*) FROM v",
            "SELECT * FROM pragma_table_xinfo('t') WHERE name <> 'd'", "SELECT * FROM pragma_index_list('t')",
            "SELECT * FROM pragma_foreign_key_list('t')", "SELECT sql FROM sqlite_schema WHERE type <> 'table' ORDER BY 1",
            "SELECT wr, strict, ncol FROM pragma_table_list('t')",
        ];
        let ask = || facts.map(|sql| database.text(sql));
        let before = ask();
        let report = database.change("t", |t| { t.set_default("d", "7"); });
        prop_assert_eq!(&ask(), &before);
        prop_assert_eq!(report.rows_copied.to_string(), database.text("SELECT count(*) FROM t"));
        database.has_sql("t", &sql.replacen("d TEXT", "d TEXT DEFAULT 7", 1));
        database.change("t", |t| { t.drop_default("d"); });
        prop_assert_eq!(&ask(), &before);
        database.has_sql("t", &sql);
    }
}
