//! What a migration may do.

/// The handle that a migration works with.
pub struct MigrationContext {}

/// The handle of a migration that commits by itself.
pub struct ManualContext {}
