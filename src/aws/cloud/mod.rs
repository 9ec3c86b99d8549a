//! AWS as the provisioner sees it: observe, ask for a step, look whether it is done. The trait has two sides: the SDK's,
//! and the tests' own.

pub mod amazon;
mod ask;
mod calls;
mod ec2;
mod errors;
mod groups;
mod help;
mod map;
mod observe;
mod pending;
mod ram;
mod rate;
mod resolver;
mod shares;
mod signed;
mod vpn;
mod xml;

pub(in crate::aws) use self::signed::partition;
use super::plan::step::Step;
use super::trouble::Trouble;
use super::world::World;
use crate::config::aws::Aws;

/// One account and Region.
///
/// What is behind it keeps AWS's rate (5 requests a second for an account and Region, Route 53 quotas), and asks again
/// after throttling and failures that pass. All calls are bounded in time.
pub trait Cloud {
    /// All that `wanted` touches, and all endpoints, rules and query logs of the account.
    fn observe(&self, wanted: &Aws, tell: &dyn Tell) -> impl Future<Output = Result<World, Trouble>>;

    /// What a running server follows: endpoints with their addresses, rules, associations, and the subnets of the
    /// addresses. No tags and nothing else, so that it takes few requests.
    fn glance(&self, wanted: &Aws) -> impl Future<Output = Result<World, Trouble>>;

    /// Asks for one step, whose references are all IDs. What is so already is no trouble: a repeated call is harmless.
    /// Gives the ID of what was made, or was found to be made already by an earlier call with the same CreatorRequestId
    /// or name; of an address that AWS chooses, once it is listed; none for other steps.
    fn ask(&self, step: &Step) -> impl Future<Output = Result<Option<String>, Trouble>>;

    /// How far steps are that were asked for, in the order given; `made` is what asking gave. Uses few requests for many
    /// steps: it is called every few seconds.
    fn pending(&self, asked: &[Asked]) -> impl Future<Output = Result<Vec<Progress>, Trouble>>;

    /// How many of an endpoint's addresses are ATTACHED, not counting the one with the ID `beside`.
    fn attached(&self, endpoint: &str, beside: &str) -> impl Future<Output = Result<usize, Trouble>>;
}

/// A step that was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub step: Step,
    pub made: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Done,
    /// The status in the API's word: `CREATING`, `1 of 2 ATTACHED`.
    Waiting(String),
    /// It will never be done.
    Broken(Trouble),
}

/// Is told how far a long observation is, in words for people.
pub trait Tell {
    fn tell(&self, what: &str);
}

/// For who has nobody to tell.
impl Tell for () {
    fn tell(&self, _: &str) {}
}
