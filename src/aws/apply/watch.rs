//! Who looks on while a plan is carried out: is told what happens, and may stop it. Knows no terminal.

use std::time::Duration;

use crate::aws::plan::Planned;

/// Looks on.
pub trait Watch {
    fn tell(&self, event: Event<'_>);

    /// Is over when somebody wants the run to stop; asked again and again, also after that. What is under way then is
    /// finished, nothing new is asked for.
    fn interrupted(&self) -> impl Future<Output = ()>;
}

/// What happens to one step of the plan. `step` is its place in the plan's steps.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub step: usize,
    pub planned: &'a Planned,
    pub what: What<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What<'a> {
    /// It is asked for.
    Started,
    /// It can't be asked for yet: AWS is busy with what it needs. Since when it was tried.
    Held { why: &'a str, elapsed: Duration },
    /// AWS is at it: its status in the API's word.
    Waiting { status: &'a str, elapsed: Duration },
    /// The ID of what was made, if something was.
    Done { made: Option<&'a str>, elapsed: Duration },
}

/// Nobody looks on.
impl Watch for () {
    fn tell(&self, _: Event<'_>) {}

    fn interrupted(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }
}
