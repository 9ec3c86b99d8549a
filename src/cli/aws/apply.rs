//! `dnsfwd aws apply`: carries out a plan that was shown. Refuses where AWS or the file are no longer what the plan was
//! made of.

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::super::Exit;
use super::carry::{Consent, carry_out, consent, show_plan};
use super::{Desk, Leave, file};
use crate::aws::cloud::Cloud;
use crate::aws::plan::{Options, Plan, moved, plan};
use crate::aws::world::World;

#[derive(clap::Args)]
pub struct Arguments {
    /// A plan that `aws plan --out` wrote; else one is made, shown, and asked about
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    leave: Leave,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

pub async fn run(desk: &Desk<'_, impl Cloud>, arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.plan {
        Some(path) => from_file(desk, path, arguments.leave).await,
        None => made_now(desk, &arguments.leave.options(), arguments.yes).await,
    }
}

/// A plan that was looked at before.
async fn from_file(desk: &Desk<'_, impl Cloud>, path: &Path, leave: Leave) -> anyhow::Result<Exit> {
    let plan = file::read(path)?;
    let world = desk.observe().await?;
    if let Some(refusal) = refusal(desk, &plan, &world, leave) {
        eprintln!(
            "{refusal}\nNothing was changed. Make a new plan: dnsfwd aws plan --out {}",
            path.display()
        );
        return Ok(Exit::Findings);
    }
    carry_out(desk, &plan, &options_of(desk, &plan, &world, leave).unwrap_or_default()).await
}

/// Why the plan is not for what is there now.
fn refusal<C>(desk: &Desk<'_, C>, plan: &Plan, world: &World, leave: Leave) -> Option<String> {
    if plan.world != *world {
        let mut lines = vec!["AWS has moved since the plan was made:".to_owned()];
        lines.extend(moved(&plan.world, world).into_iter().map(|line| format!("  {line}")));
        return Some(lines.join("\n"));
    }
    if options_of(desk, plan, world, leave).is_some() {
        return None;
    }
    let now = self::plan(desk.wanted, world, &leave.options());
    Some(match now.wanted == plan.wanted {
        true => "The plan was made by another version of dnsfwd, or with other options.".to_owned(),
        false => "The configuration's [aws] has changed since the plan was made.".to_owned(),
    })
}

/// The options with which this very plan comes out now. They need not be given again: whoever has the plan has seen what
/// they lead to.
fn options_of<C>(desk: &Desk<'_, C>, shown: &Plan, world: &World, leave: Leave) -> Option<Options> {
    let is_it = |options: &Options| plan(desk.wanted, world, options).hash == shown.hash;
    let flags = [(false, false), (true, false), (false, true), (true, true)];
    let all =
        flags.map(|(allow_replace, beyond_quotas)| Options { allow_replace, beyond_quotas, destroy: false });
    [leave.options()].into_iter().chain(all).find(is_it)
}

/// Shown, asked about, and done if AWS is still the same after that.
pub async fn made_now(desk: &Desk<'_, impl Cloud>, options: &Options, yes: bool) -> anyhow::Result<Exit> {
    let plan = desk.plan(options).await?;
    show_plan(desk, &plan)?;
    if !plan.obstacles.is_empty() {
        eprintln!("\ndnsfwd: nothing was changed, because of what stands in the way");
        return Ok(Exit::Trouble);
    }
    if plan.is_empty() {
        return Ok(Exit::Clean);
    }
    match consent(yes, options.destroy)? {
        Consent::Given => carry_out(desk, &plan, options).await,
        Consent::Refused => {
            eprintln!("Nothing was changed.");
            Ok(Exit::Findings)
        }
        Consent::Answered => {
            // Whoever thought about it may have done so for long.
            let lines = moved(&plan.world, &desk.observe().await?);
            if !lines.is_empty() {
                bail!("nothing was changed, because AWS has moved meanwhile: {}", lines.join("; "));
            }
            carry_out(desk, &plan, options).await
        }
    }
}
