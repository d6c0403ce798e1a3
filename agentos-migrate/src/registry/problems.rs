//! The mistakes of a set that no compiler could see, each in a sentence.

use super::Set;
use crate::migration::Migration;
use crate::private::SetDeclaration;
use crate::version::Version;
use crate::{lint, lock_file, system};

/// Finds names of databases that are no name of a file of its own on this system.
fn problems_of_names(names: &[&str]) -> Vec<String> {
    let file = |name: &str| format!("{name}.db");
    let special = names.iter().filter_map(|name| {
        let fault = system::fault_of_name(&file(name))?;
        Some(format!("the database {name} can't be the file {}: {fault}", file(name)))
    });
    let history = ["migrations"];
    let same = names.iter().enumerate().filter_map(|(index, name)| {
        let mut others = history.iter().chain(&names[..index]);
        let is_same = |other: &&&str| **other != *name && other.eq_ignore_ascii_case(name);
        let other = others.find(is_same).filter(|_| system::NAMES_IGNORE_CASE)?;
        Some(format!(
            "the databases {other} and {name} are one file on this system: give one another name"
        ))
    });
    special.chain(same).collect()
}

impl Set {
    pub(super) fn find_problems(&mut self) {
        let mut problems = Vec::new();
        if self.migrations.is_empty() {
            problems.push(
                "no migration is registered: are the modules declared with `mod`?".to_owned(),
            );
        }
        for pair in self.migrations.windows(2) {
            let (first, second) = (&pair[0].info, &pair[1].info);
            if first.version == second.version {
                problems.push(format!(
                    "version {} is declared twice: `{}` at {} and `{}` at {}",
                    first.version, first.name, first.location, second.name, second.location
                ));
            }
        }
        problems.extend(self.databases.iter().filter_map(|name| problem_of_name(name)));
        for (index, name) in self.databases.iter().enumerate() {
            let same = |other: &&&str| other.eq_ignore_ascii_case(name);
            if let Some(other) = self.databases[..index].iter().find(same) {
                problems.push(format!(
                    "the databases {other} and {name} differ in case only: on some systems they are one file"
                ));
            }
        }
        for migration in &self.migrations {
            self.find_problems_of(migration, &mut problems);
        }
        problems.extend(problems_of_names(&self.databases));
        self.problems = problems;
    }

    fn find_problems_of(&self, migration: &Migration, problems: &mut Vec<String>) {
        let info = &migration.info;
        for dependency in info.depends_on.iter() {
            let known =
                self.migrations.binary_search_by(|other| other.info.version.cmp(dependency));
            if known.is_err() {
                problems.push(format!(
                    "{} `{}` depends on {dependency}, which no migration declares ({})",
                    info.version, info.name, info.location
                ));
            } else if *dependency >= info.version {
                problems.push(format!(
                    "{} `{}` depends on {dependency}: a dependency has a smaller version ({})",
                    info.version, info.name, info.location
                ));
            }
        }
        for problem in info.allow.iter().filter_map(|text| lint::allow_problem(text)) {
            problems
                .push(format!("{} `{}`: {problem} ({})", info.version, info.name, info.location));
        }
        for database in info.databases.iter().filter(|name| !self.databases.contains(name)) {
            problems.push(format!(
                "{} `{}` names the database {database}, which the set does not declare ({})",
                info.version, info.name, info.location
            ));
        }
    }

    pub(super) fn find_unknown_baselines(&mut self) {
        let unknown = self.baseline.iter().filter(|(name, _)| !self.databases.contains(name));
        let problem = |(name, _): &(&str, &str)| {
            format!("the baseline names the database {name}, which the set does not declare")
        };
        self.problems.extend(unknown.map(problem));
    }

    pub(super) fn find_missing(&mut self, declaration: &SetDeclaration) {
        for text in declaration.expected {
            let Ok(version) = text.parse::<Version>() else { continue };
            let found =
                self.migrations.binary_search_by(|migration| migration.info.version.cmp(&version));
            if found.is_err() {
                self.problems.push(format!(
                    "version {text} of crate `{}` is not in this program: its file has no `mod` line, \
                     or the linker dropped it (a static library without --whole-archive?)",
                    declaration.crate_name
                ));
            }
        }
        for released in lock_file::lines(declaration.lock) {
            let problem = self.problem_of_released(&released, declaration);
            self.problems.extend(problem);
        }
    }

    /// What is released stays in the set, as it was.
    fn problem_of_released(
        &self,
        released: &lock_file::Line<'_>,
        declaration: &SetDeclaration,
    ) -> Option<String> {
        let lock_file::Line { version: text, name, checksum } = released;
        let version: Version = text.parse().ok()?;
        let file = declaration.lock_path.unwrap_or("the lock file");
        let found =
            self.migrations.binary_search_by(|migration| migration.info.version.cmp(&version));
        let Ok(found) = found else {
            return Some(format!(
                "version {text} `{name}` is released, as {file} says, and not in this program: its file is gone or \
                 has no `mod` line, or the linker dropped it (a static library without --whole-archive?)"
            ));
        };
        let compiled = self.migrations[found].info.checksum;
        (!compiled.is_written(checksum)).then(|| {
            format!(
                "version {text} `{name}` is released and was changed: {file} has {checksum}, the source now {compiled}"
            )
        })
    }
}

/// Returns why a database can't have this name, which is that of a file in the data directory.
fn problem_of_name(name: &str) -> Option<String> {
    if name.eq_ignore_ascii_case("migrations") {
        return Some(
            "the database `migrations` is the engine's own: give it another name".to_owned(),
        );
    }
    let is_plain = !name.is_empty()
        && !name.starts_with('.')
        && !name.contains(|sign: char| sign.is_control() || "/\\:*?\"<>|".contains(sign));
    (!is_plain)
        .then(|| format!("the database `{}` has a name that no file can have", name.escape_debug()))
}
