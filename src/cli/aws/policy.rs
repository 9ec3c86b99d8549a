//! `dnsfwd aws policy`: the least IAM policy for a command. Asks AWS nothing.

use clap::ValueEnum;

use super::super::{Common, Exit, print};
use crate::aws::policy::{self, Wish, document};
use crate::config::aws::Aws;

#[derive(clap::Args)]
pub struct Arguments {
    /// Of `aws plan` (status, adopt and `follow` too), or of `aws apply`
    #[arg(value_enum, default_value = "apply")]
    command: Command,
    /// The account that it is for, 12 digits [default: any; a policy says nothing of other accounts than its own]
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    account: Option<String>,
    /// Allow also what the configuration doesn't use: to remove what an earlier one made
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Command {
    Plan,
    Apply,
}

fn account(text: &str) -> Result<String, &'static str> {
    match text.len() == 12 && text.bytes().all(|octet| octet.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("an account has 12 digits"),
    }
}

pub fn run(common: &Common, wanted: &Aws, arguments: &Arguments) -> anyhow::Result<Exit> {
    let command = match arguments.command {
        Command::Plan => policy::Command::Plan,
        Command::Apply => policy::Command::Apply,
    };
    let wish = Wish { command, account: arguments.account.clone(), is_for_all: arguments.all };
    let document = document(wanted, &wish);
    // IAM takes JSON alone, so it is that with and without --json.
    print(common, &document, |document| format!("{document:#}\n"))?;
    Ok(Exit::Clean)
}
