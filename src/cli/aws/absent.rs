//! `dnsfwd aws` of a build without it.

use std::ffi::OsString;

use anyhow::bail;

use super::{Common, Exit};

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

pub fn run(_: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let command = arguments.rest.first().map(|word| format!(" {}", word.display())).unwrap_or_default();
    bail!("this build has no `aws{command}`: it was made without the feature `aws`")
}
