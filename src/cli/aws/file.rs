//! Plans in files. What is read is believed only if its hash fits; what is written is whole or not there.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, bail};

use crate::aws::plan::Plan;
use crate::limits::PLAN_OCTETS;

/// Writes a plan where somebody else, or a later step of a pipeline, can read it.
pub fn write(plan: &Plan, path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(plan)? + "\n";
    let written = || -> anyhow::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let name = path.file_name().context("it is no file's name")?;
        let aside = folder.unwrap_or(Path::new(".")).join(format!(".{}.new", name.display()));
        let mut file = File::create(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(fs::rename(&aside, path)?)
    };
    written().with_context(|| format!("the plan can't be written to {}", path.display()))
}

/// Reads a plan, and makes sure that it is as it was written.
pub fn read(path: &Path) -> anyhow::Result<Plan> {
    let named = || path.display().to_string();
    let mut text = String::new();
    let file = File::open(path).with_context(named)?;
    file.take(PLAN_OCTETS + 1).read_to_string(&mut text).with_context(named)?;
    if text.len() as u64 > PLAN_OCTETS {
        bail!("{}: no plan is larger than {} MiB", named(), PLAN_OCTETS >> 20);
    }
    let plan: Plan = serde_json::from_str(&text).with_context(|| format!("{} is no plan", named()))?;
    plan.verify().with_context(named)?;
    Ok(plan)
}
