//! Golden files in tests/aws/export: the same configuration in both formats. Terraform itself isn't there in tests: its
//! text is held against HCL's quotes and brackets alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::config;

/// Written anew when this is set.
const UPDATE: &str = "DNSFWD_WRITE_GOLDEN";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/export")
}

fn aws(text: &str) -> Aws {
    let loaded = config::load_text(Path::new("/etc/dnsfwd/dnsfwd.toml"), text.to_owned());
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)).aws.unwrap()
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn assert_golden(name: &str, text: &str) {
    if std::env::var_os(UPDATE).is_some() {
        fs::write(folder().join(name), text).unwrap();
    }
    let wanted = read(name);
    assert!(wanted == text, "{name} differs; {UPDATE}=1 writes it anew:\n{text}");
}

fn cases() -> Vec<(&'static str, Aws)> {
    ["whole", "usual", "escapes"].map(|name| (name, aws(&read(&format!("{name}.toml"))))).to_vec()
}

fn unsaid(export: &Export) -> String {
    export.unsaid.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn exports_are_as_they_were_read_by_people() {
    for (name, wanted) in cases() {
        let export = terraform(&wanted);
        assert_golden(&format!("{name}.tf"), &export.text);
        assert_golden(&format!("{name}.tf.unsaid"), &unsaid(&export));
        let export = cloudformation(&wanted);
        assert_golden(&format!("{name}.json"), &export.text);
        assert_golden(&format!("{name}.json.unsaid"), &unsaid(&export));
    }
}

/// What an HCL reader makes of brackets and strings. Gives the resources' addresses and what is referred to.
fn checked(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut declared, mut named) = (BTreeSet::new(), BTreeSet::new());
    let mut open = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix("resource ") {
            let words: Vec<&str> = rest.split('"').collect();
            assert!(declared.insert(format!("{}.{}", words[1], words[3])), "twice: {line}");
        }
        named.extend(references(line, &mut open));
    }
    assert!(open.is_empty(), "brackets that stay open: {open:?}");
    (declared, named)
}

/// Outside of strings, words such as `aws_security_group.inbound.id`.
fn references(line: &str, open: &mut Vec<char>) -> Vec<String> {
    let mut bare = String::new();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => string(&mut rest, line),
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => assert_eq!(open.pop(), Some(c), "{line}"),
            _ => bare.push(c),
        }
    }
    let words = bare.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
    let references = words.filter(|word| word.starts_with("aws_") && word.contains('.'));
    references.map(|word| word.split('.').take(2).collect::<Vec<_>>().join(".")).collect()
}

/// Up to its end, which must be on the line; nothing in it is interpolated.
fn string(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, line: &str) {
    while let Some(c) = rest.next() {
        match c {
            '"' => return,
            '\\' => assert!(rest.next().is_some_and(|c| "nrt\"\\u".contains(c)), "{line}"),
            '$' | '%' if rest.peek() == Some(&c) => {
                rest.next();
                assert!(rest.next_if_eq(&'{').is_some(), "{line}");
            }
            '$' | '%' => assert!(rest.peek() != Some(&'{'), "interpolated: {line}"),
            _ => {}
        }
    }
    panic!("a string without an end: {line}");
}

#[test]
fn terraform_is_sound_and_refers_only_to_what_it_declares() {
    for (name, wanted) in cases() {
        let export = terraform(&wanted);
        let (declared, named) = checked(&export.text);
        assert!(named.is_subset(&declared), "{name}: {:?}", named.difference(&declared));
        for one in &export.unsaid {
            assert!(export.text.contains(&format!("# Not in here: {one}.")), "{name}: {one}");
        }
    }
}

fn attributes(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(pair) = map.get("Fn::GetAtt") {
                found.push(pair[0].as_str().unwrap().to_owned());
            }
            map.values().for_each(|value| attributes(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| attributes(value, found)),
        _ => {}
    }
}

#[test]
fn templates_parse_and_refer_only_to_what_they_declare() {
    for (name, wanted) in cases() {
        let export = cloudformation(&wanted);
        let template: Value = serde_json::from_str(&export.text).unwrap();
        let resources = template["Resources"].as_object().unwrap();
        for (label, resource) in resources {
            assert!(label.chars().all(|c| c.is_ascii_alphanumeric()), "{name}: {label}");
            assert!(resource["Type"].as_str().unwrap().starts_with("AWS::"), "{name}: {label}");
        }
        let mut found = Vec::new();
        attributes(&template, &mut found);
        assert!(found.iter().all(|label| resources.contains_key(label)), "{name}: {found:?}");
        let unsaid = template["Metadata"]["NotInHere"].as_array().cloned().unwrap_or_default();
        assert_eq!(unsaid.len(), export.unsaid.len(), "{name}");
    }
}

#[test]
fn what_a_format_can_say_is_all_said() {
    let wanted = aws(&read("usual.toml"));
    assert_eq!(terraform(&wanted).unsaid, [] as [String; 0]);
    assert_eq!(cloudformation(&wanted).unsaid, [] as [String; 0]);
}
