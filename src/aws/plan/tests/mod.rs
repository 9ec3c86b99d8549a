//! Plans as operators meet them: files and an AWS that doesn't exist in, text out; and what must be true of each plan.

mod fold;
mod golden;
mod laws;
mod sealed;
mod settle;

use std::path::Path;

use serde_json::Value;

use super::{Options, Plan, plan};
use crate::aws::world::World;
use crate::config::aws::Aws;
use crate::config::diagnostic::render;

/// The AWS side of a configuration, which must be sound.
fn aws(text: &str) -> Aws {
    let loaded = crate::config::load_text(Path::new("dnsfwd.toml"), format!("version = 1\n{text}"));
    let config = loaded.config.unwrap_or_else(|| panic!("{}", render(&loaded.diagnostics, false)));
    config.aws.expect("there is a table [aws]")
}

/// Networks and a Client VPN endpoint of an account that has nothing of Resolver.
fn base() -> World {
    world(toml::from_str(include_str!("base.toml")).unwrap())
}

fn world(value: Value) -> World {
    serde_json::from_value(value).unwrap()
}

/// AWS after all of `wanted` was brought about.
fn settled(wanted: &Aws, mut world: World) -> World {
    let options = Options { allow_replace: true, ..Options::default() };
    let plan = plan(wanted, &world, &options);
    assert!(plan.obstacles.is_empty(), "{:#?}", plan.obstacles);
    fold::carry_out(&plan, &mut world);
    world
}

/// Whose `id`s the file names.
fn pinned(wanted: &Aws) -> Vec<&str> {
    let endpoints = wanted.endpoints.iter().filter_map(|one| one.id.as_deref());
    let rules = wanted.rules.iter().filter_map(|one| one.id.as_deref());
    endpoints.chain(rules).chain(wanted.query_logs.iter().filter_map(|one| one.id.as_deref())).collect()
}

/// The other world of tables over it: tables go into tables, all else is put in its place.
fn overlay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                overlay(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// Stages follow each other, and what a step refers to was made before its stage.
fn assert_ordered(plan: &Plan) {
    let mut made: Vec<(u32, &str)> = Vec::new();
    let mut last = 0;
    for planned in &plan.steps {
        assert!(planned.stage == last || planned.stage == last + 1, "stage {} after {last}", planned.stage);
        last = planned.stage;
        assert!(planned.change < plan.changes.len());
        for name in fold::needed(&planned.step) {
            let earlier = |(stage, other): &(u32, &str)| *other == name && *stage < planned.stage;
            assert!(made.iter().any(earlier), "{name} is needed before it is made");
        }
        made.extend(fold::made(&planned.step).map(|name| (planned.stage, name)));
    }
}
