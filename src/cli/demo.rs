use super::{Common, Exit};
#[derive(clap::Args)]
pub struct Arguments {}
pub fn run(_common: &Common, _arguments: &Arguments) -> anyhow::Result<Exit> {
    Ok(Exit::Clean)
}
