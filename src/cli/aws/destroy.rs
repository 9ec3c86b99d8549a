//! `dnsfwd aws destroy`: deletes what is ours, dependants first. What was only taken over is let go, not deleted.

use super::super::Exit;
use super::{Desk, apply};
use crate::aws::cloud::Cloud;
use crate::aws::plan::Options;

#[derive(clap::Args)]
pub struct Arguments {
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

pub async fn run(desk: &Desk<'_, impl Cloud>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let options = Options { destroy: true, ..Options::default() };
    apply::made_now(desk, &options, arguments.yes).await
}
