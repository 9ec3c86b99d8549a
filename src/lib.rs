pub mod cache;
pub mod config;
pub mod limits;
pub mod policy;
pub mod wire;
