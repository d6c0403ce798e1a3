//! The stamp in migrations.db by which an up-to-date history is known at a glance.
//!
//! Two header fields of the file, `user_version` and `application_id`
//! (<https://sqlite.org/fileformat2.html#the_database_header>), hold 64 bits
//! made of the digest of the applied set and of the change counter that the
//! file has after the commit which wrote them. Any later write, by anybody,
//! moves the counter, and the stamp no longer fits: then the whole history
//! is read and compared.

/// The two header fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) user_version: u32,
    pub(crate) application_id: u32,
}

/// Returns the stamp of a set of this digest in a file with this change counter.
pub(crate) fn stamp(digest: u64, change_counter: u32) -> Stamp {
    let mut mixed = digest ^ u64::from(change_counter).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^= mixed >> 32;
    let (high, low) = (mixed >> 32, mixed & 0xffff_ffff);
    // Zero is what a file has that nobody stamped.
    let nonzero = |half: u64| u32::try_from(half).unwrap_or_default().max(1);
    Stamp { user_version: nonzero(high), application_id: nonzero(low) }
}

/// Returns the SQL that writes a stamp.
pub(crate) fn sql(stamp: Stamp) -> String {
    let Stamp { user_version, application_id } = stamp;
    format!(
        "PRAGMA user_version = {}; PRAGMA application_id = {}",
        user_version.cast_signed(),
        application_id.cast_signed()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_changes_with_the_digest_and_with_the_counter_and_is_never_zero() {
        let base = stamp(7, 1);
        assert_ne!(base, stamp(8, 1));
        assert_ne!(base, stamp(7, 2));
        let zero = stamp(0, 0);
        assert!(zero.user_version != 0 && zero.application_id != 0);
    }

    #[test]
    fn the_sql_writes_what_the_header_then_holds() {
        let connection = rusqlite::Connection::open_in_memory().expect("opens");
        let stamp = Stamp { user_version: 0xffff_fff0, application_id: 3 };
        connection.execute_batch(&sql(stamp)).expect("writes");
        let read = |name: &str| -> i64 {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).expect("reads")
        };
        assert_eq!((read("user_version"), read("application_id")), (-16, 3));
    }
}
