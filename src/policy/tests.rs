use super::*;
use crate::wire::rdata::class;

const ZONES: [&str; 3] = ["anycompany.corp", "corp", "sub.anycompany.corp"];
const RULES: [(&str, RuleAction); 8] = [
    ("awsanycompany.corp", RuleAction::Forward),
    (".", RuleAction::Forward),
    ("aws.anycompany.corp", RuleAction::Forward),
    ("local.aws.anycompany.corp", RuleAction::System),
    ("0.10.in-addr.arpa", RuleAction::Forward),
    ("168.192.in-addr.arpa", RuleAction::Forward),
    ("amazonaws.com", RuleAction::System),
    ("e.f.ip6.arpa", RuleAction::Forward),
];

fn policy() -> (Policy, Vec<Name>) {
    let zones: Vec<Name> = ZONES.iter().map(|text| Name::parse(text).unwrap()).collect();
    let rules: Vec<(Name, RuleAction)> =
        RULES.iter().map(|(text, action)| (Name::parse(text).unwrap(), *action)).collect();
    let builtins: Vec<Name> = builtin::all().map(|(text, _, _)| Name::parse(&text).unwrap()).collect();
    let rules = rules.iter().map(|(name, action)| (name.as_wire(), *action));
    let policy = Policy::new(zones.iter().map(Name::as_wire), rules, builtins.iter().map(Name::as_wire));
    (policy, builtins)
}

fn decide(policy: &Policy, name: &str) -> Decision {
    policy.decide(Name::parse(name).unwrap().as_wire(), rtype::A, class::IN)
}

#[test]
fn the_most_specific_domain_wins() {
    let (policy, _) = policy();
    for (name, action) in [
        ("web1.awsanycompany.corp", Action::Forward { rule: 0 }),
        ("awsanycompany.corp", Action::Forward { rule: 0 }),
        ("www.example.com", Action::Forward { rule: 1 }),
        ("xawsanycompany.com", Action::Forward { rule: 1 }),
        ("x.anycompany.corp", Action::Zone(0)),
        ("a.sub.anycompany.corp", Action::Zone(2)),
        ("other.corp", Action::Zone(1)),
        ("x.aws.anycompany.corp", Action::Forward { rule: 2 }),
        // SYSTEM inside a rule inside a zone: what we know ourselves is the zone.
        ("x.local.aws.anycompany.corp", Action::Zone(0)),
        ("s3.amazonaws.com", Action::System { rule: 6 }),
        ("5.0.0.10.in-addr.arpa", Action::Forward { rule: 4 }),
        ("5.1.168.192.in-addr.arpa", Action::Forward { rule: 5 }),
        // Built-in below a rule that is broader, but not the root.
        ("1.8.e.f.ip6.arpa", Action::Forward { rule: 7 }),
    ] {
        assert_eq!(decide(&policy, name).action, action, "{name}");
    }
}

#[test]
fn builtin_names_stay_here_unless_somebody_names_them() {
    let (policy, builtins) = policy();
    for (name, builtin) in [
        ("1.2.3.10.in-addr.arpa", "10.in-addr.arpa"),
        ("a.localhost", "localhost"),
        ("x.20.172.in-addr.arpa", "20.172.in-addr.arpa"),
        ("1.2.64.100.in-addr.arpa", "64.100.in-addr.arpa"),
    ] {
        let Decision { action: Action::Builtin(index), because } = decide(&policy, name) else {
            panic!("{name} left the house")
        };
        assert_eq!((builtins[index as usize].to_string().as_str(), because), (builtin, Because::BuiltinName));
    }
}

#[test]
fn other_classes_go_by_rules_alone() {
    let (policy, _) = policy();
    let ask = |name: &str| policy.decide(Name::parse(name).unwrap().as_wire(), rtype::TXT, class::CH).action;
    assert_eq!(ask("x.anycompany.corp"), Action::Forward { rule: 1 });
    assert_eq!(ask("localhost"), Action::Forward { rule: 1 });
}

#[test]
fn ds_is_asked_of_the_parent_that_we_hold() {
    let (policy, _) = policy();
    let ask = |name: &str| policy.decide(Name::parse(name).unwrap().as_wire(), rtype::DS, class::IN);
    assert_eq!(
        ask("sub.anycompany.corp"),
        Decision { action: Action::Zone(0), because: Because::ParentOfCut }
    );
    assert_eq!(ask("corp"), Decision { action: Action::Zone(1), because: Because::LocalZone });
}

#[test]
fn nothing_covers() {
    let none: [&[u8]; 0] = [];
    let policy = Policy::new(none, std::iter::empty(), none);
    assert_eq!(decide(&policy, "a.b"), Decision { action: Action::Refuse, because: Because::NothingCovers });
}

#[test]
fn candidates_are_listed_longest_first() {
    let (policy, _) = policy();
    let names: Vec<String> = policy
        .candidates(Name::parse("x.local.aws.anycompany.corp").unwrap().as_wire())
        .iter()
        .map(|c| c.domain.to_string())
        .collect();
    assert_eq!(names, ["local.aws.anycompany.corp", "aws.anycompany.corp", "anycompany.corp", "corp", "."]);
}
