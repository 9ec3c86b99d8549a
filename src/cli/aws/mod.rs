//! `dnsfwd aws`: the AWS side from the same file. One file per command.

use std::path::Path;

use anyhow::{Context, bail};

use super::{Common, Exit, show_on_stderr};
use crate::aws::cloud::Cloud;
use crate::aws::cloud::amazon::Amazon;
use crate::aws::trouble::Trouble;
use crate::aws::world::World;
use crate::config::aws::Aws;
use crate::config::{self, Config};

mod adopt;
mod export;
mod policy;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Take what stands in AWS over into the configuration, and write the file's part for it
    Adopt(adopt::Arguments),
    /// Show the least IAM policy that the commands need with this configuration
    Policy(policy::Arguments),
    /// Show the AWS side in the language of another tool
    Export(export::Arguments),
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(config) = read(&common.config) else { return Ok(Exit::Trouble) };
    let Some(wanted) = &config.aws else {
        bail!("{} has no [aws]: there is nothing to do on the AWS side", common.config.display())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connected = async { Amazon::connect(wanted).await.map_err(told) };
    match &arguments.action {
        Action::Policy(arguments) => policy::run(common, wanted, arguments),
        Action::Export(arguments) => export::run(common, wanted, arguments),
        Action::Adopt(arguments) => runtime.block_on(async {
            let cloud = connected.await?;
            adopt::run(&Desk { common, wanted, cloud: &cloud }, arguments).await
        }),
    }
}

/// The configuration. None if it has faults, which then have been shown.
fn read(path: &Path) -> Option<Config> {
    let loaded = config::load(path);
    if loaded.config.is_none() {
        show_on_stderr(&loaded.diagnostics);
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
        self.cloud.observe(self.wanted, &()).await.map_err(told).context("AWS could not be observed")
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
