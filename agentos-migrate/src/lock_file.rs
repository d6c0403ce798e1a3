//! migrations.lock from the side of the running program: adding what is new.
//!
//! A changed released migration never gets here: it does not compile.

use crate::migration::Migration;

/// Returns the text with a line for every migration, by version; the head stays.
#[cfg_attr(
    not(any(test, feature = "cli")),
    expect(dead_code, reason = "the command line writes it")
)]
pub(crate) fn with_all(text: &str, migrations: &[Migration]) -> String {
    let head =
        text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n"));
    let lines = migrations.iter().map(|migration| {
        let info = migration.info();
        let name = info.name.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{} {name} {}\n", info.version, info.checksum)
    });
    head.chain(lines).collect()
}

/// A released migration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) version: &'a str,
    pub(crate) name: &'a str,
    pub(crate) checksum: &'a str,
}

/// Returns the released migrations of a text that the macro took.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (version, rest) = line.trim().split_once(char::is_whitespace)?;
        let (name, checksum) = rest.trim().rsplit_once(char::is_whitespace)?;
        Some(Line { version, name: name.trim(), checksum })
    })
}

/// Returns the versions that the text does not hold.
pub(crate) fn new_versions(text: &str, migrations: &[Migration]) -> Vec<String> {
    let held: Vec<u128> = lines(text).filter_map(|line| line.version.parse().ok()).collect();
    let infos = migrations.iter().map(Migration::info);
    infos
        .filter(|info| !held.contains(&info.version.number()))
        .map(|info| info.version.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_version_a_name_of_any_words_and_a_checksum() {
        let found: Vec<_> = lines("# head\n\n0001 add two words  ab\n").collect();
        assert_eq!(found, [Line { version: "0001", name: "add two words", checksum: "ab" }]);
    }

    #[test]
    fn new_migrations_are_added_in_order_and_the_head_stays() {
        let migrations = ["0001", "0002"]
            .map(|version| Migration::new(version, &["a"], |_| Ok(())).name("step"));
        let one = format!("# head\n0001 step {}\n", migrations[0].info().checksum);
        assert_eq!(new_versions(&one, &migrations), ["0002"]);
        let both = with_all(&one, &migrations);
        assert_eq!(both, format!("{one}0002 step {}\n", migrations[1].info().checksum));
        assert!(new_versions(&both, &migrations).is_empty());
    }
}
