//! The provisioner: brings Resolver endpoints, rules and what belongs to them in AWS to what the file wants.
//!
//! ```text
//! config::aws ──────────┐
//!                       ▼
//! cloud::observe ─► World ─► plan::plan ─► Plan ─► show, a file, apply ─► cloud::ask, cloud::pending
//! ```
//!
//! What is wanted ([`crate::config::aws::Aws`]) and what is there ([`world::World`]) are plain values; [`plan`] compares
//! them and gives steps in an order that never cuts resolution; [`apply`] does exactly these steps. What is ours is told
//! by the CreatorRequestId that it was made with, or by the tag that taking it over gave it: nothing else is ever changed.
//! The SDK's types stay below [`cloud`].

pub mod adopt;
pub mod apply;
pub mod cloud;
pub mod export;
#[cfg(test)]
pub mod fake;
pub mod follow;
pub mod owned;
pub mod plan;
pub mod policy;
pub mod show;
pub mod trouble;
pub mod world;

#[cfg(test)]
mod tests;
