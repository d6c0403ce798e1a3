//! Committed schema files: what the compiled set makes, one `<database>.sql` each.
//!
//! A review of a migration then shows its effect as a difference of text. The files are
//! reference only: nothing is ever made from them.

use std::path::Path;

use crate::error::Error;
use crate::sqlite::failure::io_on_file;

/// A file that is not what the set makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stale {
    /// The file's name.
    pub(crate) file: String,
    /// From what the file says to what the set makes.
    pub(crate) diff: String,
}

/// Compares the files of a folder with schemas by database; current files are left out.
///
/// A file of no database is stale too: its database is gone, and nobody would notice.
pub(crate) fn stale(folder: &Path, schemas: &[(String, String)]) -> Result<Vec<Stale>, Error> {
    let mut found = Vec::new();
    for (database, made) in schemas {
        let file = file_name(database);
        let stored = read(&folder.join(&file))?;
        if stored.as_deref() != Some(made) {
            let diff = diff(&file, stored.as_deref().unwrap_or_default(), made);
            found.push(Stale { file, diff });
        }
    }
    for file in others(folder, schemas)? {
        let stored = read(&folder.join(&file))?.unwrap_or_default();
        let diff = diff(&file, &stored, "");
        found.push(Stale { file, diff });
    }
    Ok(found)
}

/// Writes the files of a folder that are not current, and removes those of no database; returns their names.
pub(crate) fn write(folder: &Path, schemas: &[(String, String)]) -> Result<Vec<String>, Error> {
    std::fs::create_dir_all(folder).map_err(|error| io_on_file(error, "create", folder))?;
    let mut changed = Vec::new();
    for Stale { file, .. } in stale(folder, schemas)? {
        let path = folder.join(&file);
        match schemas.iter().find(|(database, _)| file_name(database) == file) {
            Some((_, made)) => std::fs::write(&path, made),
            None => std::fs::remove_file(&path),
        }
        .map_err(|error| io_on_file(error, "write", &path))?;
        changed.push(file);
    }
    Ok(changed)
}

fn file_name(database: &str) -> String {
    format!("{database}.sql")
}

/// Reads a file with the line ends of this system's checkout; nothing if it is not there.
fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_on_file(error, "read", path)),
    }
}

/// Returns the SQL files of a folder that are of no database.
fn others(folder: &Path, schemas: &[(String, String)]) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_on_file(error, "read", folder)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| io_on_file(error, "read", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_known = schemas.iter().any(|(database, _)| file_name(database) == name);
        if Path::new(&name).extension().is_some_and(|extension| extension == "sql") && !is_known {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn diff(file: &str, stored: &str, made: &str) -> String {
    let diff = similar::TextDiff::from_lines(stored, made);
    diff.unified_diff().header(file, "what the migrations make").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared_written_and_removed_with_their_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("schema");
        let schemas = [("chat".to_owned(), "CREATE TABLE a (\n    b\n);\n".to_owned())];
        assert_eq!(stale(&path, &schemas).expect("compares")[0].file, "chat.sql");
        assert_eq!(write(&path, &schemas).expect("writes"), ["chat.sql"]);
        assert!(stale(&path, &schemas).expect("compares").is_empty());
        assert!(write(&path, &schemas).expect("writes").is_empty());
        std::fs::write(path.join("gone.sql"), "CREATE TABLE x (y);\n").expect("writes");
        std::fs::write(path.join("chat.sql"), "CREATE TABLE a (\r\n    c\r\n);\r\n")
            .expect("writes");
        let found = stale(&path, &schemas).expect("compares");
        assert_eq!(found.len(), 2);
        assert!(found[0].diff.contains("-    c\n+    b\n"), "{}", found[0].diff);
        assert_eq!(write(&path, &schemas).expect("writes"), ["chat.sql", "gone.sql"]);
        assert!(!path.join("gone.sql").exists());
    }
}
