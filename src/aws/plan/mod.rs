//! A plan: what differs between what is wanted and what is there, and the steps from one to the other. Pure: the same
//! configuration and the same world give the same plan, to the last octet.

pub mod step;

use serde::{Deserialize, Serialize};

use self::step::Step;
use super::world::World;

/// The form of plans that are written to files.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub format: u32,
    pub owner: String,
    /// What the plan was made of: so that it can be said what has moved since.
    pub world: World,
    /// The configuration's AWS side as a digest: a plan is for the file that it was made of.
    pub wanted: String,
    /// By kind and name.
    pub changes: Vec<Change>,
    /// In the order in which they are done. What has the same stage can be asked for side by side; the next stage
    /// begins when all of it is done.
    pub steps: Vec<Planned>,
    /// Things of others, which are left alone.
    pub left_alone: Vec<LeftAlone>,
    /// What stops the plan from being applied.
    pub obstacles: Vec<Obstacle>,
    pub cost: Cost,
    /// SHA-256 over all else, in hexadecimal digits.
    pub hash: String,
}

/// One thing that becomes another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub kind: ThingKind,
    /// As the file calls it, or else as AWS does.
    pub name: String,
    pub id: Option<String>,
    pub action: Action,
    /// Why: `not in AWS`, `not in the file any more`, `the domain can't be changed`.
    pub reason: String,
    pub fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThingKind {
    SecurityGroup,
    Endpoint,
    Rule,
    Association,
    Share,
    QueryLog,
    Vpc,
    ClientVpn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Change,
    Replace,
    Delete,
}

/// One property of a thing. None: it isn't there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub from: Option<String>,
    pub to: Option<String>,
    /// AWS can't change it: the thing is replaced.
    pub is_immutable: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    pub stage: u32,
    /// An index into the changes.
    pub change: usize,
    #[serde(flatten)]
    pub step: Step,
}

/// Something that isn't ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAlone {
    pub kind: ThingKind,
    pub id: String,
    pub name: String,
    /// Why it is worth a line: `forwards corp.example. to 10.9.9.9`.
    pub about: String,
}

/// Why a plan can't be applied, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    pub about: String,
    pub help: String,
}

/// US dollars a month of 730 hours, as far as they are known before a query is asked: network interfaces of endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub before: f64,
    pub after: f64,
}
