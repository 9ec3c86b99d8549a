pub mod cache;
pub mod config;
pub mod control;
pub mod forward;
pub mod limits;
pub mod policy;
pub mod serve;
pub mod wire;
