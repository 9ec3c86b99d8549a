//! Properties: `answer` equals a naive model of RFC 1034 section 4.3.2 on random small zones, and the reader
//! survives any octets.

use proptest::prelude::*;

use super::*;
use crate::wire::rdata::rtype;
use crate::zone::OutcomeKind;
use crate::zone::answer::MAX_LINKS;

/// A record as the model has it: names are lists of labels, the root last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    owner: String,
    rtype: u16,
    data: String,
}

/// Linear searches over a list of records, in the words of the RFCs.
pub struct Model<'m>(pub &'m [Fact]);

const APEX: &str = "example.";

fn parent(name: &str) -> &str {
    name.split_once('.').map_or("", |(_, rest)| rest)
}

fn is_in_zone(name: &str) -> bool {
    format!(".{name}").ends_with(&format!(".{APEX}"))
}

/// From the name itself up to the apex.
fn ancestors(name: &str) -> Vec<&str> {
    let mut list = vec![name];
    while list.last() != Some(&APEX) {
        list.push(parent(list[list.len() - 1]));
    }
    list
}

impl Model<'_> {
    fn exists(&self, name: &str) -> bool {
        self.0.iter().any(|fact| fact.owner == name || fact.owner.ends_with(&format!(".{name}")))
    }

    fn data(&self, name: &str, rtype: u16) -> Vec<String> {
        self.0
            .iter()
            .filter(|fact| fact.owner == name && fact.rtype == rtype)
            .map(|fact| fact.data.clone())
            .collect()
    }

    /// The answer section and how it ends.
    pub fn answer(&self, qname: &str, qtype: u16) -> (Vec<(String, u16, String)>, OutcomeKind) {
        let mut answer = Vec::new();
        let mut name = qname.to_owned();
        let mut seen = Vec::new();
        'names: loop {
            let links = seen.len();
            if seen.contains(&name) {
                return (answer, OutcomeKind::AliasLoop);
            }
            seen.push(name.clone());
            // Step 3b and c: from the apex down, a cut or a DNAME ends the search.
            for ancestor in ancestors(&name).into_iter().rev() {
                let at_cut = ancestor != APEX && !self.data(ancestor, rtype::NS).is_empty();
                if at_cut && !(ancestor == name && qtype == rtype::DS) {
                    return (answer, OutcomeKind::Delegation);
                }
                let Some(target) = self.data(ancestor, rtype::DNAME).pop().filter(|_| ancestor != name)
                else {
                    continue;
                };
                if links == MAX_LINKS {
                    return (answer, OutcomeKind::AliasLoop);
                }
                let dname = (ancestor.to_owned(), rtype::DNAME, String::new());
                if !answer.contains(&dname) {
                    answer.push(dname);
                }
                let made = format!("{}{target}", name.strip_suffix(ancestor).unwrap());
                answer.push((name.clone(), rtype::CNAME, made.clone()));
                if qtype == rtype::CNAME || !is_in_zone(&made) {
                    return (answer, OutcomeKind::Answer);
                }
                name = made;
                continue 'names;
            }
            let mut source = name.clone();
            if !self.exists(&name) {
                let encloser = ancestors(&name).into_iter().find(|ancestor| self.exists(ancestor)).unwrap();
                source = format!("*.{encloser}");
                if !self.exists(&source) {
                    return (answer, OutcomeKind::NxDomain);
                }
            }
            let found = self.data(&source, qtype);
            if !found.is_empty() {
                answer.extend(found.into_iter().map(|data| (name.clone(), qtype, data)));
                return (answer, OutcomeKind::Answer);
            }
            match self.data(&source, rtype::CNAME).pop() {
                None => return (answer, OutcomeKind::NoData),
                Some(_) if links == MAX_LINKS => return (answer, OutcomeKind::AliasLoop),
                Some(target) => {
                    answer.push((name.clone(), rtype::CNAME, target.clone()));
                    if !is_in_zone(&target) {
                        return (answer, OutcomeKind::Answer);
                    }
                    name = target;
                }
            }
        }
    }
}

/// Few labels, so that names meet often.
pub fn owner() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec!["a", "b", "c", "*"]);
    prop::collection::vec(label, 0..4)
        .prop_map(|labels| labels.iter().map(|label| format!("{label}.")).collect::<String>() + APEX)
}

fn fact() -> impl Strategy<Value = Fact> {
    let address = (owner(), 0..9u8).prop_map(|(owner, last)| (owner, rtype::A, format!("192.0.2.{last}")));
    let text = (owner(), 0..9u8).prop_map(|(owner, text)| (owner, rtype::TXT, text.to_string()));
    let alias = (owner(), prop_oneof![9 => owner(), 1 => Just("else.where.".to_owned())])
        .prop_map(|(owner, target)| (owner, rtype::CNAME, target));
    let cut = (owner(), owner()).prop_map(|(owner, target)| (owner, rtype::NS, target));
    let renamed = (owner(), prop_oneof![4 => owner(), 1 => Just("else.where.".to_owned())])
        .prop_map(|(owner, target)| (owner, rtype::DNAME, target));
    prop_oneof![5 => address, 3 => text, 4 => alias, 1 => cut, 1 => renamed]
        .prop_map(|(owner, rtype, data)| Fact { owner, rtype, data })
}

/// Random records without those that a zone may not have: other data beside a CNAME, names below a DNAME.
pub fn facts() -> impl Strategy<Value = Vec<Fact>> {
    prop::collection::vec(fact(), 0..14).prop_map(|list| {
        let mut sound: Vec<Fact> =
            vec![Fact { owner: APEX.into(), rtype: rtype::NS, data: "ns.test.".into() }];
        for fact in list {
            // NS and DNAME at a wildcard have no defined meaning (RFC 4592 section 4.2, RFC 6672 section 3.3).
            let wild = matches!(fact.rtype, rtype::NS | rtype::DNAME) && fact.owner.starts_with("*.");
            let beside = |other: &Fact| {
                let alias = fact.rtype == rtype::CNAME || other.rtype == rtype::CNAME;
                other.owner == fact.owner && (alias || is_dname_clash(&fact, other))
                    || fact.rtype == rtype::DNAME && other.owner.ends_with(&format!(".{}", fact.owner))
                    || other.rtype == rtype::DNAME && fact.owner.ends_with(&format!(".{}", other.owner))
            };
            let apex_alias = fact.owner == APEX && fact.rtype == rtype::CNAME;
            if !wild && !apex_alias && !sound.contains(&fact) && !sound.iter().any(beside) {
                sound.push(fact);
            }
        }
        sound
    })
}

/// One DNAME at a name, and none at a cut.
fn is_dname_clash(one: &Fact, other: &Fact) -> bool {
    let types = [one.rtype, other.rtype];
    let cut = types.contains(&rtype::NS) && one.owner != APEX;
    types == [rtype::DNAME; 2] || types.contains(&rtype::DNAME) && cut
}

pub fn text_of(facts: &[Fact]) -> String {
    let mut text = "$TTL 60\n@ SOA ns.test. h.test. 1 1 1 1 1\n".to_owned();
    for fact in facts {
        text += &format!("{} TYPE{} {}\n", fact.owner, fact.rtype, fact.data);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn answers_equal_the_model(facts in facts(), asked in prop::collection::vec((owner(), 0..5usize), 8)) {
        let loaded = parse(&text_of(&facts));
        let faults = lines(&loaded);
        let zone = loaded.zone.ok_or_else(|| TestCaseError::fail(format!("{faults:#?}")))?;
        for (qname, qtype) in asked {
            let qtype = [rtype::A, rtype::TXT, rtype::CNAME, rtype::NS, rtype::DS][qtype];
            let (expected, kind) = Model(&facts).answer(&qname, qtype);
            let reply = ask(&zone, &qname, qtype);
            let mut given: Vec<(String, u16, String)> = reply.message.answers.iter().map(|record| {
                let rtype = u16::from(record.record_type());
                // hickory does not read a DNAME's data.
                let data = if rtype == rtype::DNAME { String::new() } else { record.data.to_string() };
                (record.name.to_string(), rtype, data)
            }).collect();
            let mut expected = expected;
            given.sort();
            expected.sort();
            prop_assert_eq!(reply.outcome.kind, kind, "{} {}", qname, qtype);
            prop_assert_eq!(given, expected, "{} {}", qname, qtype);
        }
    }

    #[test]
    fn any_octets_are_read_without_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let name = Name::parse("example.").unwrap();
        let _ = Zone::parse_bytes(&name, &octets, Path::new("/nowhere/x"));
    }

    #[test]
    fn mutated_zones_are_read_without_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(SPLINTERS)), 1..12),
    ) {
        let mut text = SEED.as_bytes().to_vec();
        for (at, splinter) in changes {
            let at = at.index(text.len());
            text.splice(at..(at + splinter.len() / 2).min(text.len()), splinter.bytes());
        }
        let name = Name::parse("example.").unwrap();
        let loaded = Zone::parse_bytes(&name, &text, Path::new("/nowhere/x"));
        let errors = loaded.diagnostics.iter().any(|fault| fault.severity == crate::config::diagnostic::Severity::Error);
        prop_assert_eq!(loaded.zone.is_none(), errors);
        prop_assert!(loaded.diagnostics.iter().all(|fault| fault.line > 0 && fault.column > 0 && fault.length > 0));
        if let Some(zone) = loaded.zone {
            for qtype in [1, 5, 16, 255] {
                ask(&zone, "a.b.example.", qtype);
            }
        }
    }
}

const SPLINTERS: &[&str] = &[
    "(",
    ")",
    "\"",
    "\\",
    "\n",
    "\n ",
    ";",
    "$",
    "$GENERATE 1-9 a$ A 1.2.3.$\n",
    "${",
    "}",
    "\\# 4 ",
    "@",
    ".",
    "..",
    " IN ",
    " 1h ",
    "TYPE1 ",
    "CNAME ",
    "*.",
    "0",
    "99999999999",
    "\\300",
    "\u{fc}",
    "\t",
    "\r",
    "=",
    ",",
    "-",
    "NS ",
    "DNAME ",
    "\n$ORIGIN b.example.\n",
    "\n$TTL 5\n",
    "\n$INCLUDE x\n",
    "\0",
    "n}",
];

const SEED: &str = "\
$TTL 3600
@ SOA ns1 hostmaster 7 3600 900 1209600 300
@ NS ns1
ns1 A 192.0.2.53
a.b TXT \"x\" y ; comment
*.b CNAME a.b
c MX ( 10
  ns1 )
d DNAME b
e HTTPS 1 . alpn=\"h2,h3\" port=443 mandatory=alpn
f LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
g APL 1:192.0.2.0/24 !2:2001:db8::/32
h NSEC i A TYPE1234
i RRSIG A 5 3 86400 20030322173103 20030220173103 2642 example.com. AAAA
j NSEC3 1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX
k TYPE65280 \\# 3 abcdef
$GENERATE 1-9/2 m${0,3,x} 60 IN CAA 0 issue \"x$\"
child NS ns.child
ns.child AAAA 2001:db8::1
";
