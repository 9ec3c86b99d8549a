//! The stand-in for AWS: that it starts and is seeded, and that its own tests hold.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::Aws;
use common::aws::{SECURITY_GROUP, SUBNETS, VPC};
use serde_json::json;

#[test]
fn the_stand_in_has_what_it_was_seeded_with() {
    let aws = Aws::start();
    aws.seed_network();
    let world = aws.world();
    let subnets = world["subnets"].as_array().unwrap();
    for id in SUBNETS {
        assert!(subnets.iter().any(|subnet| subnet["id"] == id && subnet["vpc"] == VPC), "{id}");
    }
    assert!(world["security_groups"].as_array().unwrap().iter().any(|group| group["id"] == SECURITY_GROUP));
    assert_eq!(aws.settings(&json!({"pace": {"looks": 2}}))["pace"], json!({"ms": 50, "looks": 2}));
    assert!(aws.journal().is_empty());
}

#[test]
fn the_stand_in_does_what_aws_does() {
    let check = Command::new("tests/aws/check").current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}
