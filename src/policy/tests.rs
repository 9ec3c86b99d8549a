use proptest::prelude::*;

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

/// Of a small world of names, so that they meet.
fn names() -> impl Strategy<Value = Name> {
    let text = |labels: Vec<&str>| if labels.is_empty() { ".".to_string() } else { labels.join(".") };
    prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..4)
        .prop_map(move |labels| Name::parse(&text(labels)).unwrap())
}

#[derive(Clone, Debug, Default)]
struct Plain {
    zones: Vec<Name>,
    rules: Vec<(Name, RuleAction)>,
}

fn plain() -> impl Strategy<Value = Plain> {
    let action = prop_oneof![3 => Just(RuleAction::Forward), 1 => Just(RuleAction::System)];
    let zones = prop::collection::btree_set(names(), 0..3);
    let rules = prop::collection::btree_map(names(), action, 0..5);
    (zones, rules).prop_map(|(zones, rules)| Plain {
        zones: zones.into_iter().collect(),
        rules: rules.into_iter().collect(),
    })
}

impl Plain {
    fn policy(&self, after: &Plain, builtins: &[Name]) -> Policy {
        Policy::starting_at(
            (after.zones.len() as u32, after.rules.len() as u32),
            self.zones.iter().map(Name::as_wire),
            self.rules.iter().map(|(name, action)| (name.as_wire(), *action)),
            builtins.iter().map(Name::as_wire),
        )
    }
}

/// The layers, each with the indices of its first zone and rule; the view's first.
struct Naive<'a> {
    layers: [(&'a Plain, u32, u32); 2],
    builtins: &'a [Name],
}

impl Naive<'_> {
    fn zone(&self, domain: &[u8]) -> Option<Action> {
        self.layers
            .iter()
            .find_map(|(plain, first, _)| zone_of(plain, domain).map(|at| Action::Zone(first + at)))
    }

    fn builtin(&self, domain: &[u8]) -> Option<Action> {
        let at = self.builtins.iter().position(|name| name.as_wire() == domain)?;
        Some(Action::Builtin(at as u32))
    }

    fn decide(&self, qname: &[u8]) -> Action {
        let mut builtin = None;
        for domain in crate::wire::name::suffixes(qname) {
            for (plain, first_zone, first_rule) in &self.layers {
                if let Some(at) = zone_of(plain, domain) {
                    return Action::Zone(first_zone + at);
                }
                let rule = (0..).zip(&plain.rules).find(|(_, (name, _))| name.as_wire() == domain);
                if let Some((at, (_, action))) = rule.filter(|_| domain.len() > 1 || builtin.is_none()) {
                    let rule = first_rule + at;
                    let mut suffixes = crate::wire::name::suffixes(qname);
                    let mut own =
                        || suffixes.find_map(|domain| self.zone(domain).or_else(|| self.builtin(domain)));
                    return match action {
                        RuleAction::Forward => Action::Forward { rule },
                        RuleAction::System => own().unwrap_or(Action::System { rule }),
                    };
                }
            }
            builtin = builtin.or_else(|| self.builtin(domain));
        }
        builtin.unwrap_or(Action::Refuse)
    }
}

fn zone_of(plain: &Plain, domain: &[u8]) -> Option<u32> {
    plain.zones.iter().position(|name| name.as_wire() == domain).map(|at| at as u32)
}

proptest! {
    /// A view over the general policy, and alone, against lists that are searched name by name.
    #[test]
    fn two_levels_decide_as_one_list_would(general in plain(), own in plain(), asked in names()) {
        let builtins = [Name::parse("b.a").unwrap(), Name::parse("localhost").unwrap()];
        let (below, above) = (general.policy(&Plain::default(), &builtins), own.policy(&general, &[]));
        let (zones, rules) = (general.zones.len() as u32, general.rules.len() as u32);
        let qname = asked.as_wire();
        let naive = Naive { layers: [(&own, zones, rules), (&general, 0, 0)], builtins: &builtins };
        let layered = Layered { own: &above, general: &below };
        prop_assert_eq!(layered.decide(qname, rtype::A, class::IN).action, naive.decide(qname));
        let none = Plain::default();
        let naive = Naive { layers: [(&own, zones, rules), (&none, 0, 0)], builtins: &builtins };
        let alone = own.policy(&general, &builtins);
        prop_assert_eq!(alone.decide(qname, rtype::A, class::IN).action, naive.decide(qname));
        let naive = Naive { layers: [(&none, 0, 0), (&general, 0, 0)], builtins: &builtins };
        prop_assert_eq!(below.decide(qname, rtype::A, class::IN).action, naive.decide(qname));
    }
}

#[test]
fn a_view_has_cuts_of_its_own() {
    let of = |zones: &[&str]| Plain {
        zones: zones.iter().map(|zone| Name::parse(zone).unwrap()).collect(),
        rules: Vec::new(),
    };
    let (general, own) = (of(&["corp", "sub.corp"]), of(&["sub.corp"]));
    let (below, above) = (general.policy(&Plain::default(), &[]), own.policy(&general, &[]));
    let ask = |name: &str| {
        let layered = Layered { own: &above, general: &below };
        layered.decide(Name::parse(name).unwrap().as_wire(), rtype::DS, class::IN)
    };
    assert_eq!(ask("sub.corp"), Decision { action: Action::Zone(0), because: Because::ParentOfCut });
    assert_eq!(ask("x.sub.corp"), Decision { action: Action::Zone(2), because: Because::LocalZone });
    assert_eq!(ask("corp"), Decision { action: Action::Zone(0), because: Because::LocalZone });
}
