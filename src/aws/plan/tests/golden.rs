//! Each plan as its operators see it, character for character.
//!
//! A folder of `tests/aws/plans` is a case: `config.toml` is what is wanted (without `version`). What is there is
//! `base.toml` beside this file; then what `others.toml` and `before.toml` want, carried out; then `world.toml` laid
//! over it: `remove` lists JSON pointers, `options` names what the run may do, the rest goes into the world as it is.
//! `plan.txt` is what is shown; `DNSFWD_BLESS=1` writes it anew, to be read before it is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::{Options, Plan, plan};
use super::{assert_ordered, aws, base, fold, laws, overlay, settled, world};
use crate::aws::show::show;
use crate::aws::world::{OWNER_TAG, World};
use crate::config::aws::Aws;

struct Case {
    wanted: Aws,
    there: World,
    options: Options,
}

impl Case {
    fn read(folder: &Path) -> Case {
        let file = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let mut there = base();
        for name in ["others.toml", "before.toml"] {
            if let Some(text) = file(name) {
                there = settled(&aws(&text), there);
                if name == "others.toml" {
                    unmark(&mut there);
                }
            }
        }
        let mut over: Value = toml::from_str(&file("world.toml").unwrap_or_default()).unwrap();
        let mut take = |key: &str| over.as_object_mut().unwrap().remove(key).unwrap_or(Value::Null);
        let (removed, options) = (take("remove"), take("options"));
        let mut value = serde_json::to_value(&there).unwrap();
        for pointer in removed.as_array().into_iter().flatten() {
            let (parent, key) = pointer.as_str().unwrap().rsplit_once('/').unwrap();
            value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        }
        overlay(&mut value, over);
        let wanted = aws(&file("config.toml").unwrap());
        Case { wanted, there: world(value), options: read_options(&options) }
    }

    fn plan(&self) -> Plan {
        plan(&self.wanted, &self.there, &self.options)
    }
}

/// Others made it by hand, and not with this program.
fn unmark(world: &mut World) {
    let mut marks: Vec<(Option<&mut String>, &mut BTreeMap<String, String>)> = Vec::new();
    marks.extend(world.endpoints.values_mut().map(|one| (Some(&mut one.creator_request_id), &mut one.tags)));
    marks.extend(world.rules.values_mut().map(|one| (Some(&mut one.creator_request_id), &mut one.tags)));
    marks.extend(world.query_logs.values_mut().map(|one| (Some(&mut one.creator_request_id), &mut one.tags)));
    marks.extend(world.security_groups.values_mut().map(|one| (None, &mut one.tags)));
    for (number, (id, tags)) in marks.into_iter().enumerate() {
        if let Some(id) = id {
            *id = format!("console-{number}");
        }
        tags.remove(OWNER_TAG);
    }
}

fn read_options(options: &Value) -> Options {
    let names: BTreeSet<&str> =
        options.as_array().into_iter().flatten().map(|one| one.as_str().unwrap()).collect();
    let known = ["allow_replace", "destroy", "beyond_quotas"];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    Options {
        allow_replace: names.contains("allow_replace"),
        destroy: names.contains("destroy"),
        beyond_quotas: names.contains("beyond_quotas"),
    }
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/plans");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 40, "the cases are in tests/aws/plans: {}", folders.len());
    folders
}

/// The plan as it is shown, and its steps below, as those decide what happens.
fn rendered(plan: &Plan) -> String {
    let mut text = show(plan, false);
    text.push_str("\nSteps:\n");
    for planned in &plan.steps {
        let step = serde_json::to_string(&planned.step).unwrap();
        text.push_str(&format!("{:>3} {step}\n", planned.stage));
    }
    text
}

#[test]
fn every_plan_reads_as_it_should() {
    let mut wrong = String::new();
    let is_blessed = std::env::var_os("DNSFWD_BLESS").is_some();
    for folder in folders() {
        let actual = rendered(&Case::read(&folder).plan());
        let file = folder.join("plan.txt");
        if is_blessed {
            fs::write(file, actual).unwrap();
        } else if fs::read_to_string(&file).unwrap_or_default() != actual {
            wrong.push_str(&format!("=== {}\n{actual}\n", folder.display()));
        }
    }
    assert!(!is_blessed, "written anew: read git diff, then run without DNSFWD_BLESS");
    assert!(wrong.is_empty(), "{wrong}");
}

/// What is planned keeps AWS's rules and ours, and leaves nothing to be done.
#[test]
fn every_plan_keeps_the_laws_and_ends_where_it_should() {
    for folder in folders() {
        // Shown if the test fails.
        println!("{}", folder.display());
        let case = Case::read(&folder);
        let plan = case.plan();
        assert_eq!(plan, case.plan());
        assert_ordered(&plan);
        laws::assert_only_ours(&plan, &case.wanted, &case.there);
        if !plan.obstacles.is_empty() {
            continue;
        }
        if !case.options.beyond_quotas {
            laws::assert_within_quota(&plan, &case.there);
        }
        let mut there = case.there.clone();
        fold::carry_out(&plan, &mut there);
        let again = super::plan(&case.wanted, &there, &case.options);
        assert!(again.is_empty(), "{}", rendered(&again));
    }
}

/// Killed before any step, the next run ends where the first would have.
#[test]
fn a_run_that_is_killed_goes_on() {
    for folder in folders() {
        // Shown if the test fails.
        println!("{}", folder.display());
        let case = Case::read(&folder);
        let plan = case.plan();
        for killed in (0..plan.steps.len()).filter(|_| plan.obstacles.is_empty()) {
            let mut there = case.there.clone();
            let mut made = fold::Made::default();
            plan.steps[..killed].iter().for_each(|planned| fold::one(&planned.step, &mut there, &mut made));
            let next = super::plan(&case.wanted, &there, &case.options);
            assert!(next.obstacles.is_empty(), "killed at {killed}: {}", rendered(&next));
            fold::carry_out(&next, &mut there);
            let last = super::plan(&case.wanted, &there, &case.options);
            assert!(last.is_empty(), "killed at {killed}: {}", rendered(&last));
        }
    }
}
