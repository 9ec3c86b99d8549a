//! What our own configuration has keys for, where that is not yet all that BIND has: a statement without a key is
//! refused, and not written as something that `check` rejects.

/// `allow`, `allow_transfer`, `allow_update`, `notify`, `primaries` and `allow_notify` of `[[zone]]`.
pub(super) const ZONE_KEYS: bool = false;
/// `[[view]]`
pub(super) const VIEWS: bool = false;
