//! Recording that differences from the compiled set are meant.

use serde::Serialize;

use super::time::now;
use super::verify::CloseLook;
use super::{Migrator, questions};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind};
use crate::sqlite::accepted_drift::{self, Accepted, RECORD};
use crate::sqlite::directory::refuse_unusable;
use crate::sqlite::history_table;

/// One difference that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AcceptedDrift {
    /// The database.
    pub database: String,
    /// `table`, `index`, `view`, `trigger`; or `record`, for a version row of another directory.
    pub kind: String,
    /// The object's name, or the row's version.
    pub name: String,
    /// What was said of it.
    pub message: String,
}

/// Findings that a person may accept.
const ACCEPTABLE: [&str; 2] = ["drift", "copied_in"];

impl Migrator {
    /// Records in migrations.db that the present differences from the compiled set are meant.
    ///
    /// [`verify`](Self::verify) is silent about them as long as they stay as they are, and names
    /// an object again when something but a migration changes it. Nothing but migrations.db is written,
    /// and nothing at all if nothing differs: then the list is empty.
    ///
    /// # Errors
    ///
    /// `NeedsOperator` while anything else is wrong, as then it is not
    /// known what the schema should be; as [`accept`](Self::accept).
    pub fn accept_drift(&self) -> Result<Vec<AcceptedDrift>, Error> {
        self.record_drift().map_err(Error::or_unchanged)
    }

    fn record_drift(&self) -> Result<Vec<AcceptedDrift>, Error> {
        self.registry.check()?;
        refuse_unusable(&self.data_dir)?;
        let _lock = self.lock()?;
        self.recover_locked()?;
        let look = self.look_closely()?;
        refuse_other_findings(&look)?;
        let (rows, accepted) = self.rows_of(&look);
        if rows.is_empty() {
            return refuse_unknown(&look).map(|()| accepted);
        }
        let lines: Vec<&str> = accepted.iter().map(|one| one.message.as_str()).collect();
        let event = Event {
            at: now(),
            kind: EventKind::Accepted,
            version: None,
            name: None,
            checksum: None,
            program: self.options.program.clone(),
            backup_id: None,
            note: Some(lines.join("\n")),
        };
        let history = questions::history(&self.data_dir, self.options.wait)?;
        self.write_history(&history, |connection| {
            accepted_drift::write(connection, &rows)?;
            history_table::append(connection, &event)
        })?;
        Ok(accepted)
    }

    fn rows_of(&self, look: &CloseLook) -> (Vec<Accepted>, Vec<AcceptedDrift>) {
        let (time, program) = (now(), &self.options.program);
        let drifts = look.drifts.iter().map(|drift| {
            let message = format!("{}: {}", drift.database, drift.difference);
            let (kind, name) = (drift.difference.kind.word(), &drift.difference.name);
            (&drift.database, kind, name, drift.found.clone(), message)
        });
        let copied = look.copied.iter().map(|(database, (version, at))| {
            let message = format!("{database}: its record of {version}, of {at}");
            (database, RECORD, version, Some(at.clone()), message)
        });
        drifts
            .chain(copied)
            .map(|(database, kind, name, sql, message)| {
                let (database, kind, name) = (database.clone(), kind.to_owned(), name.clone());
                let row = Accepted {
                    database: database.clone(),
                    kind: kind.clone(),
                    name: name.clone(),
                    sql,
                    at: time.clone(),
                    program: program.clone(),
                };
                (row, AcceptedDrift { database, kind, name, message })
            })
            .unzip()
    }
}

/// No difference is no answer where the schemas could not be compared.
fn refuse_unknown(look: &CloseLook) -> Result<(), Error> {
    if look.inspection.schema_compared {
        return Ok(());
    }
    let text = "it is not known what drifted, as the schemas could not be compared";
    let error = Error::new(ErrorKind::NeedsOperator, text).in_state("nothing was changed");
    let error = look.inspection.notes.iter().fold(error, Error::detail);
    Err(error.with_hint("mend what stands above, then `verify` again"))
}

fn refuse_other_findings(look: &CloseLook) -> Result<(), Error> {
    let others = look.inspection.findings.iter();
    let mut others = others.filter(|finding| !ACCEPTABLE.contains(&finding.code)).peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    let text = "drift can't be accepted while something else is wrong";
    let error = Error::new(ErrorKind::NeedsOperator, text).in_state("nothing was changed");
    let error = others.fold(error, |error, finding| {
        error.detail(format!("{}: {}", finding.code, finding.message))
    });
    Err(error.with_hint("mend that first: `verify` names the command for each"))
}
