//! A plan in the making: changes, steps with their place in the order, and what stands in the way.

use std::fmt::Display;

use super::stage::{Phase, Stage};
use super::step::Step;
use super::{Action, Change, Cost, Field, LeftAlone, Obstacle, Options, Plan, Planned, ThingKind};
use crate::aws::owned::Owner;
use crate::aws::world::World;
use crate::config::aws::Aws;

pub(super) struct Draft<'a> {
    /// What is wanted; with `destroy`, nothing.
    pub goal: &'a Aws,
    pub world: &'a World,
    pub options: Options,
    pub owner: Owner<'a>,
    changes: Vec<Change>,
    steps: Vec<(Stage, usize, Step)>,
    left_alone: Vec<LeftAlone>,
    obstacles: Vec<Obstacle>,
}

/// A change of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChangeId(usize);

impl<'a> Draft<'a> {
    pub fn new(goal: &'a Aws, world: &'a World, options: Options) -> Draft<'a> {
        Draft {
            goal,
            world,
            options,
            owner: Owner(&goal.owner),
            changes: Vec::new(),
            steps: Vec::new(),
            left_alone: Vec::new(),
            obstacles: Vec::new(),
        }
    }

    pub fn change(&mut self, change: Change) -> ChangeId {
        self.changes.push(change);
        ChangeId(self.changes.len() - 1)
    }

    pub fn step(&mut self, stage: Stage, change: ChangeId, step: Step) {
        self.steps.push((stage, change.0, step));
    }

    /// Waits for what an earlier run asked for.
    pub fn wait(&mut self, change: ChangeId, until: Step) {
        let step = Step::Await { until: Box::new(until) };
        let is_there = |(_, _, other): &(Stage, usize, Step)| *other == step;
        if !self.steps.iter().any(is_there) {
            self.step(Phase::Await.first(), change, step);
        }
    }

    pub fn obstacle(&mut self, about: impl Into<String>, help: impl Into<String>) {
        let obstacle = Obstacle { about: about.into(), help: help.into() };
        if !self.obstacles.contains(&obstacle) {
            self.obstacles.push(obstacle);
        }
    }

    /// Something that can only be replaced, and may not be.
    pub fn replacement_obstacle(&mut self, what: &str, fields: &[Field]) {
        let names: Vec<&str> =
            fields.iter().filter(|field| field.is_immutable).map(|field| field.name.as_str()).collect();
        let about = format!("{what} must be replaced: AWS can't change its {}", names.join(", "));
        self.obstacle(about, "change the file back, or allow it with --allow-replace");
    }

    /// What is asked of AWS so far, without what is only waited for.
    pub fn asked(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().map(|(_, _, step)| step).filter(|step| !matches!(step, Step::Await { .. }))
    }

    pub fn deleted_endpoints(&self) -> Vec<String> {
        let deleted = self.asked().filter_map(|step| match step {
            Step::DeleteEndpoint { endpoint } => Some(endpoint.clone()),
            _ => None,
        });
        deleted.collect()
    }

    /// The change that deletes an endpoint.
    pub fn deletion_of(&self, id: &str) -> Option<ChangeId> {
        let deletes = |step: &Step| matches!(step, Step::DeleteEndpoint { endpoint } if endpoint == id);
        self.steps.iter().find(|(_, _, step)| deletes(step)).map(|(_, change, _)| ChangeId(*change))
    }

    pub fn leave(&mut self, kind: ThingKind, id: &str, name: &str, about: String) {
        self.left_alone.push(LeftAlone { kind, id: id.to_owned(), name: name.to_owned(), about });
    }

    /// Changes by kind and name, steps by their order; stages are counted from 0.
    pub fn finish(mut self, wanted: String, cost: Cost) -> Plan {
        let mut order: Vec<usize> = (0..self.changes.len()).collect();
        let key = |index: &usize| {
            let change = &self.changes[*index];
            (change.kind, change.name.clone(), change.id.clone(), *index)
        };
        order.sort_by_cached_key(key);
        let mut places = vec![0; order.len()];
        for (place, index) in order.iter().enumerate() {
            places[*index] = place;
        }
        let changes = order.iter().map(|index| self.changes[*index].clone()).collect();
        self.steps.sort_by_key(|(stage, change, _)| (*stage, places[*change]));
        self.left_alone.sort_by(|one, other| (one.kind, &one.id).cmp(&(other.kind, &other.id)));
        let plan = Plan {
            format: super::FORMAT,
            owner: self.goal.owner.clone(),
            world: self.world.clone(),
            wanted,
            changes,
            steps: numbered(self.steps, &places),
            left_alone: self.left_alone,
            obstacles: self.obstacles,
            cost,
            hash: String::new(),
        };
        plan.sealed()
    }
}

fn numbered(steps: Vec<(Stage, usize, Step)>, places: &[usize]) -> Vec<Planned> {
    let (mut number, mut last) = (0, steps.first().map(|(stage, _, _)| *stage));
    let mut planned = Vec::with_capacity(steps.len());
    for (stage, change, step) in steps {
        if last != Some(stage) {
            (number, last) = (number + 1, Some(stage));
        }
        planned.push(Planned { stage: number, change: places[change], step });
    }
    planned
}

impl Change {
    pub(super) fn new(kind: ThingKind, name: &str, action: Action, reason: impl Into<String>) -> Change {
        let (name, reason) = (name.to_owned(), reason.into());
        Change { kind, name, id: None, action, reason, fields: Vec::new() }
    }

    pub(super) fn id(mut self, id: &str) -> Change {
        self.id = Some(id.to_owned());
        self
    }

    pub(super) fn fields(mut self, fields: Vec<Field>) -> Change {
        self.fields = fields;
        self
    }
}

impl Field {
    pub(super) fn added(name: &str, to: impl Display) -> Field {
        Field { name: name.to_owned(), from: None, to: Some(to.to_string()), is_immutable: false }
    }

    pub(super) fn removed(name: &str, from: impl Display) -> Field {
        Field { name: name.to_owned(), from: Some(from.to_string()), to: None, is_immutable: false }
    }

    /// None if both are the same. An empty text is nothing at all.
    pub(super) fn differing(name: &str, from: impl Display, to: impl Display) -> Option<Field> {
        let (from, to) = (from.to_string(), to.to_string());
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        (from != to).then(|| Field {
            name: name.to_owned(),
            from: some(from),
            to: some(to),
            is_immutable: false,
        })
    }

    pub(super) fn immutable(mut self) -> Field {
        self.is_immutable = true;
        self
    }
}
