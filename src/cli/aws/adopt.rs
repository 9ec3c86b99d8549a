//! `dnsfwd aws adopt`: takes what stands in AWS over into the file. Changes nothing in AWS.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;

use super::super::{Exit, print, show_on_stderr};
use super::Desk;
use crate::aws::adopt::{self, Adoption, Candidate, Choice, Fault, candidates, write};
use crate::aws::cloud::Cloud;
use crate::aws::plan::ThingKind;
use crate::config::{self, Diagnostic};

/// What the part is called while it has no file.
const UNWRITTEN: &str = "aws-adopted.toml";

#[derive(clap::Args)]
pub struct Arguments {
    /// What to take over: rslvr-in-…, rslvr-out-…, rslvr-rr-…, rqlc-… [default: list what there is]
    #[arg(value_name = "ID", conflicts_with = "all")]
    ids: Vec<String>,
    /// Take over all that can be
    #[arg(long)]
    all: bool,
    /// Write the file's part to a new file of conf.d, in the place of printing it
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

pub async fn run(desk: &Desk<'_, impl Cloud>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let choice = match (arguments.all, arguments.ids.is_empty()) {
        (true, _) => Choice::All,
        (false, false) => Choice::Ids(known(&arguments.ids)?),
        (false, true) if arguments.write.is_some() => bail!("--write needs IDs, or --all"),
        (false, true) => return list(desk).await,
    };
    let place = arguments.write.as_ref().map(|file| write::place(&desk.common.config, file)).transpose()?;
    if let Some(path) = place.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
        bail!("{} is there already: nothing is overwritten; name a new file", path.display());
    }
    let world = desk.observe().await?;
    let config = desk.common.config.clone();
    let file = place.clone().unwrap_or_else(|| config.with_file_name("conf.d").join(UNWRITTEN));
    let adoption = match adopt::adopt(desk.wanted, &world, &choice, |text| faults(&config, &file, text)) {
        Ok(adoption) => adoption,
        Err(fault) => return faulty(fault),
    };
    // Who asks for one thing wants that or nothing.
    let is_short = choice != Choice::All && !adoption.refused.is_empty();
    if is_short || adoption.taken.is_empty() {
        adoption.refused.iter().for_each(refused);
        if !is_short && adoption.refused.is_empty() {
            eprintln!("dnsfwd: there is nothing to take over");
            return Ok(Exit::Clean);
        }
        bail!("nothing is taken over");
    }
    if let Some(path) = &place {
        written(path, &adoption)?;
    }
    report(desk, &adoption, place.as_deref())?;
    Ok(if adoption.refused.is_empty() { Exit::Clean } else { Exit::Findings })
}

/// AWS's own rules are told before anything is asked.
fn known(ids: &[String]) -> anyhow::Result<BTreeSet<String>> {
    if let Some(id) = ids.iter().find(|id| id.starts_with("rslvr-autodefined-")) {
        bail!("{id} is AWS's own (autodefined): nobody can change it, so it can't be taken over");
    }
    Ok(ids.iter().cloned().collect())
}

/// What is wrong with the configuration if the text stands in the file, and whether it is in the text.
fn faults(config: &Path, file: &Path, text: &str) -> Vec<(bool, Diagnostic)> {
    let loaded = config::load_beside(config, file, text.to_owned());
    loaded.diagnostics.into_iter().map(|one| (one.file == file, one)).collect()
}

fn faulty(fault: Fault) -> anyhow::Result<Exit> {
    if let Fault::Unsound(diagnostics) = &fault {
        show_on_stderr(diagnostics);
    }
    Err(anyhow::Error::new(fault).context("nothing is taken over"))
}

fn written(path: &Path, adoption: &Adoption) -> anyhow::Result<()> {
    match write::write(path, &adoption.text) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{} is there already: nothing is overwritten; name a new file", path.display())
        }
        outcome => outcome.with_context(|| format!("can't write {}", path.display())),
    }
}

fn report(desk: &Desk<'_, impl Cloud>, adoption: &Adoption, place: Option<&Path>) -> anyhow::Result<()> {
    print(desk.common, adoption, |adoption| match place {
        None => adoption.text.clone(),
        Some(path) => {
            let lines =
                adoption.taken.iter().map(|one| format!("{}  {} {}\n", one.id, kind(one.kind), one.name));
            let lines: String = lines.collect();
            format!("{lines}written: {}\nnext: dnsfwd aws plan\n", path.display())
        }
    })?;
    if !desk.common.json {
        adoption.refused.iter().for_each(refused);
    }
    Ok(())
}

fn refused(one: &Candidate) {
    let why = one.refusal.as_deref().unwrap_or_default();
    eprintln!("dnsfwd: {} {} ({}) is left out: {why}", kind(one.kind), one.id, one.name);
}

#[derive(Serialize)]
struct List {
    candidates: Vec<Candidate>,
}

async fn list(desk: &Desk<'_, impl Cloud>) -> anyhow::Result<Exit> {
    let world = desk.observe().await?;
    let list = List { candidates: candidates(desk.wanted, &world) };
    print(desk.common, &list, |list| page(&list.candidates))?;
    Ok(Exit::Clean)
}

fn page(candidates: &[Candidate]) -> String {
    let (free, held): (Vec<_>, Vec<_>) = candidates.iter().partition(|one| one.refusal.is_none());
    let mut page = String::new();
    if candidates.is_empty() {
        page.push_str("All that is in AWS is in the file.\n");
    }
    if !free.is_empty() {
        page.push_str("Can be taken over (dnsfwd aws adopt ID…, or --all):\n");
        for one in free {
            page.push_str(&format!("  {}  {} {}: {}\n", one.id, kind(one.kind), one.name, one.about));
        }
    }
    if !held.is_empty() {
        page.push_str("Can't be:\n");
        for one in held {
            let why = one.refusal.as_deref().unwrap_or_default();
            page.push_str(&format!("  {}  {} {}: {why}\n", one.id, kind(one.kind), one.name));
        }
    }
    page
}

fn kind(kind: ThingKind) -> &'static str {
    match kind {
        ThingKind::Endpoint => "endpoint",
        ThingKind::Rule => "rule",
        ThingKind::QueryLog => "query log",
        // Nothing else is ever taken over.
        _ => "thing",
    }
}
