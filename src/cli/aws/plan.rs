//! `dnsfwd aws plan`: what an apply would do. Changes nothing.

use std::path::PathBuf;

use super::super::text::Paint;
use super::super::{Exit, print};
use super::{Desk, Leave, file};
use crate::aws::cloud::Cloud;
use crate::aws::plan::Plan;
use crate::aws::show::show;

#[derive(clap::Args)]
pub struct Arguments {
    /// Write the plan to a file too, for `aws apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    leave: Leave,
}

pub async fn run(desk: &Desk<'_, impl Cloud>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let plan = desk.plan(&arguments.leave.options()).await?;
    if let Some(path) = &arguments.out {
        file::write(&plan, path)?;
    }
    print(desk.common, &plan, |plan| show(plan, Paint::for_stdout() == Paint::Color))?;
    if let Some(path) = arguments.out.as_ref().filter(|_| !desk.common.json && !plan.steps.is_empty()) {
        println!("\nTo carry out exactly this: dnsfwd aws apply {}", path.display());
    }
    Ok(exit(&plan))
}

/// 0 nothing to do, 1 changes, 2 something stands in their way.
pub fn exit(plan: &Plan) -> Exit {
    match (plan.obstacles.is_empty(), plan.is_empty()) {
        (false, _) => Exit::Trouble,
        (true, true) => Exit::Clean,
        (true, false) => Exit::Findings,
    }
}
