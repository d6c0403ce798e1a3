//! Accepted differences, followed through a run.
//!
//! An accepted object stands as long as it stays as it was found. A migration may change it all
//! the same: then what the migration leaves is what stands, in the same commit. An object that
//! somebody else had changed before the run is not followed, so it goes on being drift.

use super::run::Run;
use crate::error::Error;
use crate::schema::compare;
use crate::schema::read::{Object, Schema};
use crate::sqlite::accepted_drift::{self, Accepted};
use crate::sqlite::failure::on_file;
use crate::sqlite::guard::Role;
use crate::sqlite::member::Member;

impl Run<'_> {
    /// Returns the accepted objects that are as they were accepted, before a transaction.
    pub(super) fn accepted_objects(&self) -> Result<Vec<Accepted>, Error> {
        let path = self.migrator.data_dir().join(crate::sqlite::history_table::FILE_NAME);
        let accepted = accepted_drift::read(self.session.history())
            .map_err(|error| on_file(error, "read", &path))?;
        let mut standing = Vec::new();
        for (row, found) in self.beside_the_real_ones(&accepted)? {
            if compare::is_as_accepted(row.sql.as_deref(), found.as_deref()) {
                standing.push(row);
            }
        }
        Ok(standing)
    }

    /// Writes what the migrations of a transaction made of accepted objects.
    pub(super) fn follow_accepted(&self, standing: &[Accepted]) -> Result<(), Error> {
        let mut changed = Vec::new();
        for (row, found) in self.beside_the_real_ones(standing)? {
            if !compare::is_as_accepted(row.sql.as_deref(), found.as_deref()) {
                changed.push(Accepted { sql: found, ..row });
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let path = self.migrator.data_dir().join(crate::sqlite::history_table::FILE_NAME);
        accepted_drift::write(self.session.history(), &changed)
            .map_err(|error| on_file(error, "write", &path))
    }

    /// Pairs accepted objects of this run's databases with their present SQL.
    fn beside_the_real_ones(
        &self,
        accepted: &[Accepted],
    ) -> Result<Vec<(Accepted, Option<String>)>, Error> {
        let mut pairs = Vec::new();
        for member in self.context.members() {
            let of_member: Vec<&Accepted> = accepted
                .iter()
                .filter(|row| row.database == member.database && row.kind != accepted_drift::RECORD)
                .collect();
            if of_member.is_empty() {
                continue;
            }
            let schema = schema_of(member)?;
            for row in of_member {
                let is_it = |object: &&Object| {
                    row.is_about(&member.database, object.kind.word(), &object.name)
                };
                let found = schema.objects().iter().find(is_it).map(|object| object.sql.clone());
                pairs.push((row.clone(), found));
            }
        }
        Ok(pairs)
    }
}

fn schema_of(member: &Member) -> Result<Schema, Error> {
    let _engine = member.guard.enter(Role::Engine);
    Schema::read(&member.connection)
}
