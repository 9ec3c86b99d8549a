//! `dnsfwd aws`: the AWS side from the same file. One file per command; each is generic over the cloud, which is made
//! here alone. Ends with 0 where there is nothing to do or all is done, 1 where something differs or was not begun, 2 on
//! trouble.

use std::path::Path;

use anyhow::{Context, bail};

use super::{Common, Exit, show_on_stderr};
use crate::aws::cloud::amazon::Amazon;
use crate::aws::cloud::{Cloud, Tell};
use crate::aws::plan::{Options, Plan, plan};
use crate::aws::trouble::Trouble;
use crate::aws::world::World;
use crate::config::aws::Aws;
use crate::config::{self, Config};

mod adopt;
mod apply;
mod carry;
mod destroy;
mod export;
mod file;
#[path = "plan.rs"]
mod planning;
mod policy;
mod probe;
mod progress;
mod status;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    #[command(flatten)]
    Asking(Asking),
    /// Show the least IAM policy that the commands need with this configuration
    Policy(policy::Arguments),
    /// Show the AWS side in the language of another tool
    Export(export::Arguments),
}

/// Those that ask AWS.
#[derive(clap::Subcommand)]
enum Asking {
    /// Compare AWS with the configuration, and show what an apply would do (exit 0: nothing, 1: something, 2: trouble)
    Plan(planning::Arguments),
    /// Carry out a plan: the one in a file, or one that is made and shown now
    Apply(apply::Arguments),
    /// Show what stands in AWS and where it differs from the configuration
    Status(status::Arguments),
    /// Delete what is ours in AWS, after showing it
    Destroy(destroy::Arguments),
    /// Take what stands in AWS over into the configuration, and write the file's part for it
    Adopt(adopt::Arguments),
}

/// How far a plan may go.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
struct Leave {
    /// Make things anew that AWS can't change, and delete the old ones
    #[arg(long)]
    allow_replace: bool,
    /// The account's quotas were raised: take more than AWS's usual ones for no obstacle
    #[arg(long)]
    beyond_quotas: bool,
}

impl Leave {
    fn options(self) -> Options {
        Options { allow_replace: self.allow_replace, beyond_quotas: self.beyond_quotas, destroy: false }
    }
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(config) = read(&common.config) else { return Ok(Exit::Trouble) };
    let Some(wanted) = &config.aws else {
        bail!("{} has no [aws]: there is nothing to do on the AWS side", common.config.display())
    };
    let asking = match &arguments.action {
        Action::Policy(arguments) => return policy::run(common, wanted, arguments),
        Action::Export(arguments) => return export::run(common, wanted, arguments),
        Action::Asking(asking) => asking,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = async {
        let cloud = Amazon::connect(wanted).await.map_err(told)?;
        let desk = Desk { common, wanted, cloud: &cloud };
        match asking {
            Asking::Plan(arguments) => planning::run(&desk, arguments).await,
            Asking::Apply(arguments) => apply::run(&desk, arguments).await,
            Asking::Status(arguments) => status::run(&desk, &config, arguments).await,
            Asking::Destroy(arguments) => destroy::run(&desk, arguments).await,
            Asking::Adopt(arguments) => adopt::run(&desk, arguments).await,
        }
    };
    runtime.block_on(run)
}

/// The configuration. None if it has faults, which then have been shown.
fn read(path: &Path) -> Option<Config> {
    let loaded = config::load(path);
    if loaded.config.is_none() {
        show_on_stderr(&loaded.diagnostics);
        eprintln!("\ndnsfwd: nothing is asked of AWS with a faulty configuration");
    }
    loaded.config
}

/// What each command works with.
struct Desk<'a, C> {
    common: &'a Common,
    wanted: &'a Aws,
    cloud: &'a C,
}

impl<C: Cloud> Desk<'_, C> {
    async fn observe(&self) -> anyhow::Result<World> {
        let told = progress::Observing::new();
        let seen = self.cloud.observe(self.wanted, &told as &dyn Tell).await;
        told.clear();
        seen.map_err(self::told).context("AWS could not be observed")
    }

    async fn plan(&self, options: &Options) -> anyhow::Result<Plan> {
        Ok(plan(self.wanted, &self.observe().await?, options))
    }
}

/// The trouble, and what to do about it.
fn told(trouble: Trouble) -> anyhow::Error {
    let help = trouble.help.clone();
    match help.is_empty() {
        true => trouble.into(),
        false => anyhow::anyhow!("{trouble}\n  {help}"),
    }
}
