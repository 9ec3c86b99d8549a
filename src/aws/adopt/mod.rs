//! Takes existing endpoints, rules and query logging configurations over: writes the file's part for them, so that a plan
//! of it has nothing to do but to mark them. Asks AWS nothing and changes nothing there.

mod choose;
mod draft;
mod names;
#[cfg(test)]
mod tests;
mod text;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use serde::Serialize;

pub use self::choose::{Candidate, candidates};
use self::choose::{Chosen, Refusals};
use self::draft::Draft;
use super::plan::ThingKind;
use super::world::World;
use crate::config::aws::Aws;
use crate::config::{Diagnostic, Severity};

/// What is to be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// All that can be.
    All,
    Ids(BTreeSet<String>),
}

/// The file's part, and what became of each thing that was chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Adoption {
    /// TOML. Empty if nothing is taken over.
    pub text: String,
    pub taken: Vec<Taken>,
    pub refused: Vec<Candidate>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    pub kind: ThingKind,
    pub id: String,
    /// As the file calls it from now on.
    pub name: String,
    /// What the file can't say of it, or says otherwise; each one line.
    pub notes: Vec<String>,
}

/// Why there is no part of the file.
#[derive(Debug)]
pub enum Fault {
    /// IDs that nothing in AWS has.
    Unknown(Vec<String>),
    /// What was written is sound by itself, and the file isn't with it.
    Unsound(Vec<Diagnostic>),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unknown(ids) => write!(
                f,
                "AWS has no endpoint, rule or query logging configuration {}: see `dnsfwd aws adopt` for what there is",
                ids.join(", ")
            ),
            Fault::Unsound(_) => f.write_str("with what would be taken over, the configuration has faults"),
        }
    }
}

impl std::error::Error for Fault {}

/// Where a thing stands in the text, in lines from 1.
struct Block {
    id: String,
    lines: RangeInclusive<usize>,
}

/// The part for what is chosen. `faults` tells what is wrong with the whole configuration if a text stands in it, and
/// whether a fault is in that text; what the configuration refuses is refused here.
pub fn adopt(
    wanted: &Aws,
    world: &World,
    choice: &Choice,
    faults: impl Fn(&str) -> Vec<(bool, Diagnostic)>,
) -> Result<Adoption, Fault> {
    let all = candidates(wanted, world);
    if let Choice::Ids(ids) = choice {
        let unknown: Vec<String> =
            ids.iter().filter(|id| !all.iter().any(|one| one.id == **id)).cloned().collect();
        if !unknown.is_empty() {
            return Err(Fault::Unknown(unknown));
        }
    }
    let mut refusals = Refusals::new(all, choice);
    // Each round refuses one thing more at least.
    for _ in 0..=refusals.len() {
        let chosen = refusals.chosen(wanted, world);
        let draft = Draft::new(wanted, world, &chosen);
        if draft.things.is_empty() {
            break;
        }
        let (text, blocks) = text::text(&draft);
        let found = faults(&text);
        let errors: Vec<(bool, Diagnostic)> =
            found.into_iter().filter(|(_, one)| one.severity == Severity::Error).collect();
        if errors.is_empty() {
            return Ok(Adoption { text, taken: draft.taken(), refused: refusals.refused() });
        }
        if !refuse(&mut refusals, &blocks, &errors) {
            return Err(Fault::Unsound(errors.into_iter().map(|(_, error)| error).collect()));
        }
    }
    Ok(Adoption { text: String::new(), taken: Vec::new(), refused: refusals.refused() })
}

/// False if no fault is one of ours.
fn refuse(refusals: &mut Refusals, blocks: &[Block], errors: &[(bool, Diagnostic)]) -> bool {
    let mut is_any = false;
    for (_, error) in errors.iter().filter(|(is_ours, _)| *is_ours) {
        let Some(block) = blocks.iter().find(|block| block.lines.contains(&error.line)) else { continue };
        refusals.refuse(&block.id, format!("{}: {}", error.message, error.help));
        is_any = true;
    }
    is_any
}

/// IDs by kind.
type ByKind<'a> = BTreeMap<ThingKind, BTreeSet<&'a str>>;

impl Chosen<'_> {
    fn has(&self, kind: ThingKind, id: &str) -> bool {
        self.0.get(&kind).is_some_and(|ids| ids.contains(id))
    }
}
