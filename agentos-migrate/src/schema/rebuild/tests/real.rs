//! Whole schemas: every table of each is changed in its turn, and everything else stays.

use rusqlite::Connection;

use super::support::Database;
use crate::schema::normalise::same_statement;
use crate::schema::read::{Visibility, columns};

/// A music shop, after the Chinook sample: eleven tables and their foreign keys, one of them to itself.
const SHOP: &str = "
    CREATE TABLE [Artist] ([ArtistId] INTEGER NOT NULL, [Name] NVARCHAR(120), CONSTRAINT [PK_Artist] PRIMARY KEY ([ArtistId]));
    CREATE TABLE [Album] ([AlbumId] INTEGER NOT NULL, [Title] NVARCHAR(160) NOT NULL, [ArtistId] INTEGER NOT NULL,
        CONSTRAINT [PK_Album] PRIMARY KEY ([AlbumId]),
        FOREIGN KEY ([ArtistId]) REFERENCES [Artist] ([ArtistId]) ON DELETE NO ACTION ON UPDATE NO ACTION);
    CREATE TABLE [Employee] ([EmployeeId] INTEGER NOT NULL, [LastName] NVARCHAR(20) NOT NULL, [ReportsTo] INTEGER, [HireDate] DATETIME,
        CONSTRAINT [PK_Employee] PRIMARY KEY ([EmployeeId]),
        FOREIGN KEY ([ReportsTo]) REFERENCES [Employee] ([EmployeeId]) ON DELETE NO ACTION ON UPDATE NO ACTION);
    CREATE TABLE [Customer] ([CustomerId] INTEGER NOT NULL, [Email] NVARCHAR(60) NOT NULL, [SupportRepId] INTEGER,
        CONSTRAINT [PK_Customer] PRIMARY KEY ([CustomerId]),
        FOREIGN KEY ([SupportRepId]) REFERENCES [Employee] ([EmployeeId]) ON DELETE SET NULL ON UPDATE NO ACTION);
    CREATE TABLE [Genre] ([GenreId] INTEGER NOT NULL, [Name] NVARCHAR(120), CONSTRAINT [PK_Genre] PRIMARY KEY ([GenreId]));
    CREATE TABLE [Invoice] ([InvoiceId] INTEGER NOT NULL, [CustomerId] INTEGER NOT NULL, [Total] NUMERIC(10,2) NOT NULL,
        CONSTRAINT [PK_Invoice] PRIMARY KEY ([InvoiceId]),
        FOREIGN KEY ([CustomerId]) REFERENCES [Customer] ([CustomerId]) ON DELETE CASCADE ON UPDATE NO ACTION);
    CREATE TABLE [Track] ([TrackId] INTEGER NOT NULL, [Name] NVARCHAR(200) NOT NULL, [AlbumId] INTEGER, [GenreId] INTEGER, [UnitPrice] NUMERIC(10,2) NOT NULL,
        CONSTRAINT [PK_Track] PRIMARY KEY ([TrackId]),
        FOREIGN KEY ([AlbumId]) REFERENCES [Album] ([AlbumId]) ON DELETE CASCADE ON UPDATE NO ACTION,
        FOREIGN KEY ([GenreId]) REFERENCES [Genre] ([GenreId]) ON DELETE SET NULL ON UPDATE NO ACTION);
    CREATE TABLE [InvoiceLine] ([InvoiceLineId] INTEGER NOT NULL, [InvoiceId] INTEGER NOT NULL, [TrackId] INTEGER NOT NULL, [Quantity] INTEGER NOT NULL,
        CONSTRAINT [PK_InvoiceLine] PRIMARY KEY ([InvoiceLineId]),
        FOREIGN KEY ([InvoiceId]) REFERENCES [Invoice] ([InvoiceId]) ON DELETE CASCADE ON UPDATE NO ACTION,
        FOREIGN KEY ([TrackId]) REFERENCES [Track] ([TrackId]) ON DELETE CASCADE ON UPDATE NO ACTION);
    CREATE TABLE [Playlist] ([PlaylistId] INTEGER NOT NULL, [Name] NVARCHAR(120), CONSTRAINT [PK_Playlist] PRIMARY KEY ([PlaylistId]));
    CREATE TABLE [PlaylistTrack] ([PlaylistId] INTEGER NOT NULL, [TrackId] INTEGER NOT NULL, [AddedAt] DATETIME,
        CONSTRAINT [PK_PlaylistTrack] PRIMARY KEY ([PlaylistId], [TrackId]),
        FOREIGN KEY ([PlaylistId]) REFERENCES [Playlist] ([PlaylistId]) ON DELETE CASCADE ON UPDATE NO ACTION,
        FOREIGN KEY ([TrackId]) REFERENCES [Track] ([TrackId]) ON DELETE CASCADE ON UPDATE NO ACTION);
    CREATE INDEX [IFK_AlbumArtistId] ON [Album] ([ArtistId]);
    CREATE INDEX [IFK_TrackAlbumId] ON [Track] ([AlbumId]);
    CREATE UNIQUE INDEX [IPK_PlaylistTrack] ON [PlaylistTrack]([PlaylistId], [TrackId]);
    CREATE VIEW [Sales] AS SELECT a.Name, sum(l.Quantity * t.UnitPrice) AS Total FROM InvoiceLine l
        JOIN Track t USING (TrackId) JOIN Album b ON b.AlbumId = t.AlbumId JOIN Artist a ON a.ArtistId = b.ArtistId GROUP BY 1;
    CREATE VIEW [Top] AS SELECT Name FROM Sales ORDER BY Total DESC;
    CREATE TRIGGER [Totals] AFTER INSERT ON [InvoiceLine] BEGIN
        UPDATE Invoice SET Total = Total + (SELECT UnitPrice FROM Track WHERE TrackId = new.TrackId) * new.Quantity WHERE InvoiceId = new.InvoiceId;
    END;
    INSERT INTO Artist VALUES (1, 'A'), (2, 'B'); INSERT INTO Album VALUES (1, 'X', 1), (2, 'Y', 2);
    INSERT INTO Employee VALUES (1, 'Boss', NULL, NULL), (2, 'Rep', 1, '2020-01-01'); INSERT INTO Customer VALUES (1, 'a@b', 2);
    INSERT INTO Genre VALUES (1, 'Rock'); INSERT INTO Invoice VALUES (1, 1, 0);
    INSERT INTO Track VALUES (1, 'T', 1, 1, 0.99), (2, 'U', 2, NULL, 1.99);
    INSERT INTO InvoiceLine VALUES (1, 1, 1, 2), (2, 1, 2, 1); INSERT INTO Playlist VALUES (1, 'P');
    INSERT INTO PlaylistTrack VALUES (1, 2, NULL), (1, 1, '2021-02-03'); ANALYZE;";

/// Every corner of SQLite's table grammar in one database.
const CORNERS: &str = "
    CREATE TABLE plain (id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'x''y', b REAL, c BLOB, d NUMERIC, e, f TEXT COLLATE NOCASE, UNIQUE (a, b) ON CONFLICT IGNORE);
    CREATE TABLE gen (id INTEGER PRIMARY KEY, w INTEGER NOT NULL, h INTEGER NOT NULL, area INTEGER GENERATED ALWAYS AS (w * h) STORED, label TEXT AS (printf('%dx%d', w, h)) VIRTUAL, CHECK (w > 0 AND h > 0));
    CREATE INDEX gen_area ON gen(area); CREATE UNIQUE INDEX gen_label ON gen(label);
    CREATE TABLE worowid (k1 TEXT, k2 INTEGER, v BLOB, PRIMARY KEY (k1, k2 DESC)) WITHOUT ROWID;
    CREATE TABLE strict_wr (k TEXT PRIMARY KEY, v INTEGER) STRICT, WITHOUT ROWID;
    CREATE TABLE parent (a INTEGER, b TEXT, PRIMARY KEY (a, b));
    CREATE TABLE child (id INTEGER PRIMARY KEY, pa INTEGER, pb TEXT, up INTEGER REFERENCES child(id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, CONSTRAINT fk_p FOREIGN KEY (pa, pb) REFERENCES parent(a, b) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE cyc_a (id INTEGER PRIMARY KEY, b INTEGER REFERENCES cyc_b(id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE cyc_b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES cyc_a(id) DEFERRABLE INITIALLY DEFERRED);
    CREATE INDEX plain_partial ON plain(a) WHERE b IS NOT NULL AND d > 3;
    CREATE INDEX plain_expr ON plain(lower(a), length(c) DESC);
    CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT);
    CREATE TRIGGER plain_au AFTER UPDATE OF a, b ON plain WHEN old.a IS NOT new.a BEGIN INSERT INTO log(what) SELECT 'upd ' || CASE WHEN new.b IS NULL THEN 'null' ELSE 'val' END; END;
    CREATE TRIGGER plain_bd BEFORE DELETE ON plain BEGIN SELECT RAISE(ABORT, 'no; really') WHERE old.id = 1; END;
    CREATE VIEW v_plain AS SELECT id, a, (SELECT count(*) FROM child) AS n FROM plain WHERE a <> 'END;';
    CREATE TRIGGER v_plain_io INSTEAD OF INSERT ON v_plain BEGIN INSERT INTO plain(a) VALUES (new.a); END;
    CREATE TABLE \"we ird\"\"name\" (\"co l\" TEXT, \"select\" INTEGER, [brack et] TEXT, `tick` TEXT, \"ünï-çødé 表\" TEXT, \"\" TEXT);
    CREATE INDEX \"idx with space\" ON \"we ird\"\"name\" (\"co l\", \"select\" DESC);
    CREATE TABLE 'quoted' ('a' TEXT DEFAULT \"dq string\");
    CREATE TABLE defaults (a DEFAULT CURRENT_TIMESTAMP, b DEFAULT (random()), c DEFAULT -1.5e3, d DEFAULT x'00ff', e DEFAULT NULL, f BOOLEAN DEFAULT TRUE);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, tag TEXT);
    CREATE VIRTUAL TABLE notes_fts USING fts5(body, tag UNINDEXED, content='notes', content_rowid='id', tokenize='unicode61 remove_diacritics 2', prefix='2 3');
    CREATE TRIGGER notes_ai AFTER INSERT ON notes BEGIN INSERT INTO notes_fts(rowid, body, tag) VALUES (new.id, new.body, new.tag); END;
    CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
    CREATE VIEW broken AS SELECT nosuch FROM gone;
    INSERT INTO plain(a, b, e, f) VALUES ('p', 1.5, x'00', 'F'), ('q', NULL, 7, 'g'); INSERT INTO gen(w, h) VALUES (1, 2), (3, 4);
    INSERT INTO worowid VALUES ('k', 1, NULL), ('k', 2, x'01'); INSERT INTO strict_wr VALUES ('a', 1); INSERT INTO parent VALUES (1, 'x');
    INSERT INTO child(pa, pb, up) VALUES (1, 'x', NULL), (1, 'x', 1); INSERT INTO cyc_a VALUES (1, NULL); INSERT INTO log(what) VALUES ('l');
    INSERT INTO \"we ird\"\"name\" VALUES (1, 2, 3, 4, 5, 6); INSERT INTO quoted DEFAULT VALUES; INSERT INTO defaults DEFAULT VALUES;
    INSERT INTO notes(body, tag) VALUES ('one two', 't'); ANALYZE;";

/// Gives the last ordinary column of every table a default, one table after the other.
fn change_every_table(database: &Database) -> usize {
    let tables = database.text("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'");
    let tables: Vec<&str> = tables.lines().collect();
    let neighbours = |table: &str| {
        let table = table.replace('\'', "''");
        database.text(&format!("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE NOT (type = 'table' AND name = '{table}') ORDER BY type, name"))
    };
    let rows = || database.everything().split_off(2);
    let everything = rows();
    let checks = database.text("PRAGMA foreign_key_check");
    for table in &tables {
        let before = (neighbours(table), database.sql(&table.replace('\'', "''")));
        let all = columns(&database.0, table).unwrap();
        let column = all.iter().rfind(|column| column.visibility == Visibility::Ordinary).unwrap();
        database.change(table, |t| {
            t.set_default(&column.name, "(1 + 6)");
        });
        assert_eq!(neighbours(table), before.0, "{table}");
        assert!(!same_statement(&database.sql(&table.replace('\'', "''")), &before.1), "{table}");
        let now = columns(&database.0, table).unwrap();
        for (old, new) in all.iter().zip(&now) {
            assert!(
                old == new || (old.name == column.name && new.default.as_deref() == Some("1 + 6")),
                "{table} {new:?}"
            );
        }
    }
    for (now, before) in rows().iter().zip(&everything) {
        assert_eq!(now, before);
    }
    assert_eq!(rows().len(), everything.len());
    assert_eq!(database.text("PRAGMA foreign_key_check"), checks);
    assert_eq!(database.text("PRAGMA integrity_check"), "ok");
    tables.len()
}

#[test]
fn every_table_of_a_shop_is_changed_without_loss() {
    assert_eq!(change_every_table(&Database::new(SHOP)), 10);
}

#[test]
fn every_corner_of_the_grammar_is_changed_without_loss() {
    assert_eq!(change_every_table(&Database::new(CORNERS)), 13);
}

#[test]
fn tables_in_a_file_are_changed_without_loss() {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(directory.path().join("shop.db")).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    connection.execute_batch(SHOP).unwrap();
    let database = Database::around(connection);
    assert_eq!(change_every_table(&database), 10);
    database.run("COMMIT");
    assert_eq!(database.text("SELECT * FROM Top"), "B\nA");
}

#[test]
fn a_view_that_is_broken_stops_a_rename_with_its_name() {
    let database = Database::new(CORNERS);
    database.refuses("plain", "error in view broken", |t| {
        t.rename_column("a", "z");
    });
}
