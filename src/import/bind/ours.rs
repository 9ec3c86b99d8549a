//! What our own configuration has keys for, where that is not yet all that BIND has: a statement without a key is
//! refused, and not written as something that `check` rejects.

/// `allow` of `[[zone]]`.
pub(super) const ZONE_ALLOW: bool = false;
/// `allow_transfer`, `allow_update`, `notify`, `primaries` and `allow_notify` of `[[zone]]`, and `state` of `[server]`.
pub(super) const ZONE_TRANSFERS: bool = false;
/// `[[view]]`
pub(super) const VIEWS: bool = false;
