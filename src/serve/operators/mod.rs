//! What operators see and do: the server put into words and numbers, what a reload changes, targets out of use, one
//! zone again. Nothing here is on the way of a question.

pub mod diff;
pub mod drains;
pub mod explain;
pub mod follows;
pub mod reports;
pub mod reread;
