//! One line that becomes the tests of a set.

/// Declares the tests of a set: one named `#[test]` for each of [`Checks`](crate::testing::Checks).
///
/// Takes an expression of type [`Registry`](crate::Registry). It stands in a module of tests, which may hold other tests too.
///
/// # Examples
///
/// ```
/// # fn registry() -> agentos_migrate::Registry { agentos_migrate::Registry::new(&[], vec![]) }
/// #[cfg(test)]
/// mod tests {
///     agentos_migrate::migration_tests!(super::registry());
/// }
/// ```
///
/// A set that fails one of them makes `cargo test` say which:
///
/// ```text
/// test tests::every_migration_goes_up_and_down_and_up_with_rows_and_without ... FAILED
/// Error: migration 0002 `index_notes`: downgrade that does not restore the schema
///   AM301 0002 `index_notes`: …
/// ```
#[macro_export]
macro_rules! migration_tests {
    (@tests $registry:expr, $($name:ident => $check:ident;)*) => {$(
        #[test]
        fn $name() -> ::core::result::Result<(), $crate::Error> {
            $crate::testing::Checks::of(&$registry).$check()
        }
    )*};
    ($registry:expr $(,)?) => {
        $crate::migration_tests! {
            @tests $registry,
            the_lock_file_holds_every_migration => lock_file;
            a_new_directory_is_built_and_a_second_run_has_nothing_to_do => new_directory;
            every_migration_goes_up_and_down_and_up_with_rows_and_without => steps;
            a_directory_that_stood_at_any_version_ends_as_a_new_one => prefixes;
            every_foreign_key_can_hold => foreign_keys;
            a_run_that_ends_at_any_moment_is_finished_by_the_next => crashes;
            runs_that_meet_apply_each_migration_once => races;
        }
    };
}
