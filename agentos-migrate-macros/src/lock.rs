//! migrations.lock: the released migrations and their checksums.
//!
//! A text file, one line per migration: version, name, checksum. Read while
//! compiling; written only when `AGENTOS_MIGRATE_LOCK=update` asks for it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The variable that asks for an update.
pub(crate) const VARIABLE: &str = "AGENTOS_MIGRATE_LOCK";

/// The head of a new file.
const HEADER: &str = "\
# migrations.lock: the released migrations and their checksums. Commit it, do not edit it.
# `agentos-migrate lock` adds new migrations; `AGENTOS_MIGRATE_LOCK=update cargo check` also records changed ones.
# Two branches that add migrations conflict here on purpose: keep both lines, give the one
# that is not released yet a new version, and run the command again.
";

/// A released migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) checksum: String,
}

/// A lock file, read once for all migrations of the crate.
#[derive(Debug)]
pub(crate) struct LockFile {
    pub(crate) path: PathBuf,
    pub(crate) lines: BTreeMap<u128, Line>,
}

impl LockFile {
    /// Reads a lock file; for an update it is made readable first.
    pub(crate) fn read(path: PathBuf) -> Result<Self, String> {
        let mode = std::env::var(VARIABLE).unwrap_or_default();
        if !["", "update"].contains(&mode.as_str()) {
            return Err(format!("`{VARIABLE}` is `{mode}`: its one value is `update`"));
        }
        if updates() {
            prepare(&path)?;
        }
        let lines = read(&path)?;
        Ok(Self { path, lines })
    }

    /// Returns whether the file holds just this checksum of a version.
    pub(crate) fn holds(&self, number: u128, checksum: &str) -> bool {
        let line = self.lines.get(&number);
        line.is_some_and(|line| line.checksum.eq_ignore_ascii_case(checksum))
    }
}

/// Returns whether the file is to be brought up to date instead of checked.
pub(crate) fn updates() -> bool {
    std::env::var(VARIABLE).is_ok_and(|mode| mode == "update")
}

/// Reads a lock file's text.
fn parse(text: &str) -> Result<BTreeMap<u128, Line>, String> {
    let mut lines = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
            .iter()
            .any(|marker| line.starts_with(marker))
        {
            return Err(format!(
                "line {number} is a merge conflict: keep the lines of both sides, \
                 give the migration that is not released yet a new version, and run `{VARIABLE}=update cargo check`"
            ));
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let malformed = || format!("line {number} is not `version name checksum`: {line}");
        // A name may have several words.
        let [version, name @ .., checksum] = words.as_slice() else { return Err(malformed()) };
        let is_checksum =
            checksum.len() == 64 && checksum.bytes().all(|byte| byte.is_ascii_hexdigit());
        let key: u128 = version.parse().map_err(|_| malformed())?;
        if !is_checksum {
            return Err(malformed());
        }
        let parsed = Line {
            version: (*version).to_owned(),
            name: name.join(" "),
            checksum: (*checksum).to_owned(),
        };
        if lines.insert(key, parsed).is_some() {
            return Err(format!(
                "line {number} has version {version} a second time: two branches took the same version; \
                 give the migration that is not released yet a new one"
            ));
        }
    }
    Ok(lines)
}

/// Reads a lock file.
fn read(path: &Path) -> Result<BTreeMap<u128, Line>, String> {
    let root = crate::compiler::manifest_dir();
    let shown = path.strip_prefix(root).unwrap_or(path).display();
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("{shown} does not exist: create it with `{VARIABLE}=update cargo check`")
        }
        _ => format!("cannot read {shown}: {error}"),
    })?;
    parse(&text).map_err(|error| format!("{shown}: {error}"))
}

/// Makes the file one that can be read: created if it is missing, without the lines that nobody can read.
///
/// For an update, which is what a merge conflict asks for: every migration
/// of the source then writes its own line.
fn prepare(path: &Path) -> Result<(), String> {
    let _turn = turn()?;
    prepare_in_turn(path)
}

fn prepare_in_turn(path: &Path) -> Result<(), String> {
    create(path)?;
    let text = fs::read_to_string(path).map_err(|error| failed(path, &error))?;
    if parse(&text).is_ok() { Ok(()) } else { replace(path, &readable(&text)) }
}

/// Keeps the comments and the first readable line of each version.
fn readable(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let longer = format!("{kept}{line}\n");
        if parse(&longer).is_ok() {
            kept = longer;
        }
    }
    kept
}

/// Several compilers may run at once on one crate: they take turns by a lock on the crate's manifest.
fn turn() -> Result<File, String> {
    let manifest = crate::compiler::manifest_dir().join("Cargo.toml");
    let turn = File::open(&manifest).map_err(|error| failed(&manifest, &error))?;
    turn.lock().map_err(|error| failed(&manifest, &error))?;
    Ok(turn)
}

/// Replaces the file whole.
fn replace(path: &Path, text: &str) -> Result<(), String> {
    let temporary = path.with_extension("lock.new");
    fs::write(&temporary, text)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|error| failed(path, &error))
}

/// Creates the file if it is missing.
fn create(path: &Path) -> Result<(), String> {
    match File::create_new(path) {
        Ok(mut file) => std::io::Write::write_all(&mut file, HEADER.as_bytes())
            .map_err(|error| failed(path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Writes the line of one migration, in its place; the other lines stay.
pub(crate) fn record(path: &Path, line: &Line) -> Result<(), String> {
    let _turn = turn()?;
    prepare_in_turn(path)?;
    let text = fs::read_to_string(path).map_err(|error| failed(path, &error))?;
    let updated = with_line(&text, line)?;
    if updated == text { Ok(()) } else { replace(path, &updated) }
}

fn with_line(text: &str, line: &Line) -> Result<String, String> {
    let mut lines = parse(text)?;
    let number: u128 =
        line.version.parse().map_err(|_| format!("{} is no version", line.version))?;
    lines.insert(number, line.clone());
    let head: String = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let body = lines.values().map(|line| {
        let name = line.name.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{} {name} {}\n", line.version, line.checksum)
    });
    Ok(std::iter::once(head).chain(body).collect())
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(version: &str, digit: &str) -> Line {
        Line {
            version: version.to_owned(),
            name: format!("step_{version}"),
            checksum: digit.repeat(64),
        }
    }

    #[test]
    fn a_line_is_added_in_its_place_and_the_head_stays() {
        let text = format!(
            "{HEADER}0001 step_0001 {}\n0003 step_0003 {}\n",
            "a".repeat(64),
            "c".repeat(64)
        );
        let updated = with_line(&text, &line("0002", "b")).expect("adds");
        let expected = format!(
            "{HEADER}0001 step_0001 {}\n0002 step_0002 {}\n0003 step_0003 {}\n",
            "a".repeat(64),
            "b".repeat(64),
            "c".repeat(64)
        );
        assert_eq!(updated, expected);
        assert_eq!(with_line(&updated, &line("0002", "b")).expect("adds"), updated);
    }

    #[test]
    fn an_update_drops_what_nobody_can_read_and_keeps_the_rest() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let text = format!(
            "# head\n0001 one {a}\n<<<<<<< HEAD\n0002 two {a}\n=======\n0002 other {b}\n0003 three {b}\n>>>>>>> branch\nrubbish\n"
        );
        assert_eq!(
            readable(&text),
            format!("# head\n0001 one {a}\n0002 two {a}\n0003 three {b}\n")
        );
    }

    #[test]
    fn a_name_of_several_words_is_read_as_it_was_written() {
        let two = Line { name: "add  two\nwords".to_owned(), ..line("0001", "a") };
        let text = with_line("", &two).expect("writes");
        assert_eq!(parse(&text).expect("reads")[&1].name, "add two words");
        assert_eq!(with_line(&text, &two).expect("writes"), text);
    }

    #[test]
    fn conflicts_duplicates_and_rubbish_are_refused_with_the_line() {
        let sum = "a".repeat(64);
        let refused = |text: &str| parse(text).expect_err("refused");
        assert!(refused("# x\n<<<<<<< HEAD\n").contains("line 2 is a merge conflict"));
        assert!(
            refused(&format!("0001 a {sum}\n00001 b {sum}"))
                .contains("line 2 has version 00001 a second time")
        );
        for rubbish in ["0001", "0001 a b", "x a b", "0001 a b c"] {
            assert!(refused(rubbish).contains("line 1 is not"), "{rubbish}");
        }
        assert_eq!(parse("# nothing\n\n").expect("reads").len(), 0);
    }

    /// Lines as people and merges leave them.
    fn text() -> impl Strategy<Value = String> {
        let sum = "a".repeat(64);
        let line = prop_oneof![
            "[0-9]{0,22}".prop_map(|digits| format!("{digits} step {}", "b".repeat(64))),
            "[0-9]{4}".prop_map(move |digits| format!("{digits} a name {sum}")),
            Just("<<<<<<< HEAD".to_owned()),
            Just("=======".to_owned()),
            Just("# head".to_owned()),
            "\\PC{0,40}",
            "[ \\t\r]{0,4}",
        ];
        proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_an_update_makes_it_one_that_is_read(text in text()) {
            if let Err(refused) = parse(&text) {
                prop_assert!(refused.starts_with("line "), "{}", refused);
            }
            let kept = readable(&text);
            let before = parse(&kept).expect("is readable");
            let new = line("4711", "c");
            let updated = with_line(&kept, &new).expect("adds");
            let after = parse(&updated).expect("is readable");
            prop_assert_eq!(after.get(&4711), Some(&new));
            prop_assert!(before.iter().all(|(number, old)| *number == 4711 || after[number].checksum == old.checksum));
            prop_assert_eq!(with_line(&updated, &new).expect("adds"), updated);
        }
    }
}
