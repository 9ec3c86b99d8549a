//! The control plane: local socket, metrics, logs, signals. It asks the server through [`core::Core`] and
//! never stands in the way of a query.

pub mod core;
pub mod report;
