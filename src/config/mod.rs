//! The configuration: as written, checked, complete.

pub mod diagnostic;
