//! SQLite's keywords, by whether a name may be spelled like one.
//!
//! From the fallback table of SQLite's grammar (`parse.y`, `%fallback ID`);
//! <https://sqlite.org/lang_keywords.html> lists them without the difference.

/// Words that are never a name unless quoted.
const RESERVED: &str = "\
    ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CHECK COLLATE COMMIT CONSTRAINT CREATE \
    DEFAULT DEFERRABLE DELETE DISTINCT DROP ELSE ESCAPE EXCEPT EXISTS FOREIGN FROM GROUP HAVING IN \
    INDEX INSERT INTERSECT INTO IS ISNULL JOIN LIMIT NOT NOTHING NOTNULL NULL ON OR ORDER \
    PRIMARY REFERENCES RETURNING SELECT SET TABLE THEN TO TRANSACTION UNION UNIQUE UPDATE \
    USING VALUES WHEN WHERE";

/// Words that are a keyword or a name, by where they stand.
const FALLBACK: &str = "\
    ABORT ACTION AFTER ALWAYS ANALYZE ASC ATTACH BEFORE BEGIN BY CASCADE CAST COLUMN \
    CONFLICT CROSS CURRENT DATABASE DEFERRED DESC DETACH DO EACH END EXCLUDE EXCLUSIVE \
    EXPLAIN FAIL FILTER FIRST FOLLOWING FOR FULL GENERATED GLOB GROUPS IF IGNORE \
    IMMEDIATE INDEXED INITIALLY INNER INSTEAD KEY LAST LEFT LIKE MATCH MATERIALIZED NATURAL \
    NO NULLS OF OFFSET OTHERS OUTER OVER PARTITION PLAN PRAGMA PRECEDING QUERY RAISE RANGE \
    RECURSIVE REGEXP REINDEX RELEASE RENAME REPLACE RESTRICT RIGHT ROLLBACK ROW ROWS \
    SAVEPOINT STORED STRICT TEMP TEMPORARY TIES TRIGGER UNBOUNDED VACUUM VIEW VIRTUAL WINDOW \
    WITH WITHOUT";

/// Words that stand for a value where a value can stand, and that quotes turn into a name or a text.
const VALUES: &str = "\
    CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP TRUE FALSE";

/// What a word can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WordKind {
    /// A keyword wherever it stands unquoted.
    Reserved,
    /// A keyword or a name.
    Fallback,
    /// A value unless quoted.
    Value,
    /// A name.
    Plain,
}

/// Tells what an unquoted word can be.
pub(crate) fn word_kind(word: &str) -> WordKind {
    let among = |list: &str| {
        list.split_ascii_whitespace().any(|keyword| keyword.eq_ignore_ascii_case(word))
    };
    if among(RESERVED) {
        WordKind::Reserved
    } else if among(FALLBACK) {
        WordKind::Fallback
    } else if among(VALUES) {
        WordKind::Value
    } else {
        WordKind::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn sqlite_itself_agrees_which_words_need_quotes() {
        let connection = Connection::open_in_memory().unwrap();
        let is_name =
            |word: &str| connection.execute_batch(&format!("CREATE TABLE {word}(a)")).is_ok();
        for word in RESERVED.split_ascii_whitespace() {
            assert!(!is_name(word), "{word} is a name");
        }
        // `CREATE TABLE IF` waits for `NOT EXISTS`.
        for word in FALLBACK.split_ascii_whitespace().filter(|word| *word != "IF") {
            assert!(is_name(word), "{word} is no name");
        }
    }
}
