//! CoreDNS: a Corefile, with what its server blocks forward and answer taken over. Plugins are taken in the order that
//! CoreDNS gives them, whatever the file's.

mod block;
mod plugins;
mod reader;
mod settings;
mod transfers;

use std::path::Path;

use super::plan::Plan;
use super::reading::Files;
use super::{Imported, Kind, Options, Place, Unreadable};

/// Is this what such files are called? In lower case.
pub fn is_name(name: &str) -> bool {
    name == "corefile" || name.starts_with("corefile.") || name.ends_with(".corefile")
}

/// Does it begin with a server block or snippet whose brace ends its line, without BIND's semicolons; or, for one block
/// without braces, with an address and a plugin below it?
pub fn is_text(text: &str) -> bool {
    const COMMON: [&str; 8] = ["forward", "cache", "errors", "log", "hosts", "file", "bind", "whoami"];
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("import"));
    let mut lines = lines.skip_while(|line| line.ends_with(','));
    let Some(first) = lines.next().filter(|_| !text.contains("};")) else { return false };
    let second = lines.next().and_then(|line| line.split_whitespace().next()).unwrap_or_default();
    match first.strip_suffix('{') {
        Some(_) => !first.contains(['"', ';', '=']) && text.contains('}'),
        None => !first.contains([' ', '=', ';']) && COMMON.contains(&second),
    }
}

/// Reads a Corefile and all that it imports.
pub fn import(source: &Path, options: &Options) -> Result<Imported, Unreadable> {
    let mut files = Files::new(source);
    let nodes = reader::read(source, &mut files, options)?;
    let top = Place { file: files.shown(source), line: 1, column: 1 };
    let mut plan = Plan::new(Kind::Coredns, source.display().to_string());
    plan.alone = "names below it don't exist here, and its other types have no data; CoreDNS goes on to the next plugin";
    let mut whole = block::Whole { blocks: block::read(&nodes, &mut plan)?, plan, top };
    plugins::translate(&mut whole, &mut files)?;
    settings::translate(&mut whole);
    Ok(whole.plan.finish())
}
