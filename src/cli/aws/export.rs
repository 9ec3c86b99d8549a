//! `dnsfwd aws export`: the AWS side for those who must use another tool. Asks AWS nothing.

use clap::ValueEnum;
use serde::Serialize;

use super::super::{Common, Exit, print};
use crate::aws::export::{self, Export};
use crate::config::aws::Aws;

#[derive(clap::Args)]
pub struct Arguments {
    /// What to write
    #[arg(long, value_enum)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// HCL for the provider hashicorp/aws
    Terraform,
    /// A template in JSON
    Cloudformation,
}

#[derive(Serialize)]
struct Report<'a> {
    text: &'a str,
    unsaid: &'a [String],
}

pub fn run(common: &Common, wanted: &Aws, arguments: &Arguments) -> anyhow::Result<Exit> {
    let Export { text, unsaid } = match arguments.format {
        Format::Terraform => export::terraform(wanted),
        Format::Cloudformation => export::cloudformation(wanted),
    };
    print(common, &Report { text: &text, unsaid: &unsaid }, |report| report.text.to_owned())?;
    for one in &unsaid {
        eprintln!("dnsfwd: not in it: {one}");
    }
    Ok(if unsaid.is_empty() { Exit::Clean } else { Exit::Findings })
}
