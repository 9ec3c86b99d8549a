//! Carries a plan out: stage by stage, each step asked for once what it needs is there, and waited for until it is seen
//! to be done. Decides nothing by itself: what isn't in the plan doesn't happen. Keeps nothing: whoever was stopped plans
//! again, and goes on from what is there.

mod course;
mod patience;
mod resolve;
pub mod watch;
pub mod words;

#[cfg(test)]
mod tests;

use std::fmt;

use self::course::Course;
use self::watch::Watch;
use super::cloud::Cloud;
use super::plan::Plan;
use super::trouble::Trouble;

/// Why a plan was not carried out to its end, and how far it got. The numbers are places in the plan's steps.
#[derive(Clone, Debug)]
pub struct Stopped {
    pub why: Why,
    /// Seen to be done.
    pub done: Vec<usize>,
    /// Asked for, and not seen to be done; or it isn't known whether AWS took the request.
    pub under_way: Vec<usize>,
    /// Never asked for.
    pub left: Vec<usize>,
}

#[derive(Clone, Debug)]
pub enum Why {
    /// With this step.
    Trouble { step: usize, trouble: Trouble },
    /// Somebody wanted it to stop.
    Interrupted,
    /// The plan itself says that it can't be applied.
    Obstacles,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Trouble { trouble, .. } => write!(f, "{trouble}"),
            Why::Interrupted => write!(f, "interrupted"),
            Why::Obstacles => write!(f, "the plan has obstacles, so nothing was asked for"),
        }
    }
}

impl std::error::Error for Stopped {}

/// Does exactly the plan's steps. Each step is bounded in time, so the whole is.
pub async fn apply(plan: &Plan, cloud: &impl Cloud, watch: &impl Watch) -> Result<(), Stopped> {
    let mut course = Course::new(plan, cloud, watch);
    match course.run().await {
        Ok(()) => Ok(()),
        Err(why) => Err(course.stopped(why)),
    }
}
