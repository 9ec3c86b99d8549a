//! `dnsfwd flush`: takes a name, or a name and all below it, out of the running server's cache.

use super::text::count;
use super::{Common, Exit, print};
use crate::control::client::ask;
use crate::control::protocol::Request;
use crate::control::report::Flush;

#[derive(clap::Args)]
pub struct Arguments {
    /// The name whose answers of all types go
    name: String,
    /// All names below it too; `flush . --tree` empties the cache
    #[arg(long)]
    tree: bool,
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let request = Request::Flush { name: arguments.name.clone(), tree: arguments.tree };
    let flush: Flush = ask(&common.socket(), &request)?;
    print(common, &flush, |flush| format!("{} taken out of the cache\n", count(flush.entries, "answer")))?;
    Ok(Exit::Clean)
}
