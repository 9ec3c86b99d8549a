//! Tags of things that are there. Those that the file doesn't speak of belong to others, and stay.

use super::draft::{ChangeId, Draft};
use super::stage::Phase;
use super::step::{Step, Tags};
use super::{Action, Change, Field, ThingKind};
use crate::aws::world::OWNER_TAG;

/// What of the tags that are wanted is otherwise.
pub(super) fn fields(now: &Tags, wanted: &Tags) -> Vec<Field> {
    let differing = |(key, value): (&String, &String)| {
        let there = now.get(key).map_or("", String::as_str);
        // A tag may be empty, and yet be missing.
        match now.contains_key(key) {
            true => Field::differing(&format!("tag {key}"), there, value),
            false => Some(Field::added(&format!("tag {key}"), value)),
        }
    };
    wanted.iter().filter_map(differing).collect()
}

pub(super) fn step(draft: &mut Draft<'_>, change: ChangeId, arn: &str, now: &Tags, wanted: &Tags) {
    let missing: Tags = wanted
        .iter()
        .filter(|(key, value)| now.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if !missing.is_empty() {
        draft.step(Phase::Tags.first(), change, Step::Tag { arn: arn.to_owned(), tags: missing });
    }
}

/// Why something changes that is there.
pub(super) fn reason(draft: &Draft<'_>, creator_request_id: &str, now: &Tags) -> String {
    match draft.owner.owns(creator_request_id, now) {
        true => "differs from the file".to_owned(),
        false => "taken over: from here on it is kept as the file says".to_owned(),
    }
}

/// What was taken over stays when it is wanted no more; only our mark goes.
pub(super) fn release(kind: ThingKind, name: &str, owner: &str) -> Change {
    let reason = "let go, not deleted: it was taken over, not made";
    Change::new(kind, name, Action::Change, reason)
        .fields(vec![Field::removed(&format!("tag {OWNER_TAG}"), owner)])
}
