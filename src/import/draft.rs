//! A configuration of ours while it is made: its tables, and the place in the source that each comes from. Holds what
//! it is told; whether it is sound is for [`crate::config`] to say.

use super::Place;

/// One value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<Value>),
    /// `{ key = value, … }`
    Inline(Vec<(&'static str, Value)>),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Value {
        Value::List(texts.into_iter().map(Value::text).collect())
    }
}

/// A key with its value, and where the source says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static str,
    pub value: Value,
    pub from: Place,
}

/// The tables of a configuration, in the order in which they are written.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Of `[server]`, as of the next three.
    pub server: Vec<Setting>,
    pub cache: Vec<Setting>,
    pub metrics: Vec<Setting>,
    pub log: Vec<Setting>,
    pub acls: Vec<Acl>,
    pub keys: Vec<Key>,
    pub endpoints: Vec<Endpoint>,
    pub zones: Vec<Zone>,
    pub rules: Vec<Rule>,
    pub views: Vec<View>,
}

/// `[[acl]]`: a named access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub name: String,
    pub clients: Vec<String>,
    pub from: Place,
}

/// `[[key]]`: a TSIG key, whose secret is in a file beside the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub algorithm: String,
    /// Relative to the folder of the configuration.
    pub secret_file: String,
    pub from: Place,
}

/// `[[zone]]`, primary if it has a file and secondary if it has primaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    pub name: String,
    /// `file`, `primaries`, `allow` and so on, in the order in which they are to be written.
    pub settings: Vec<Setting>,
    pub from: Place,
}

/// `[[endpoint]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub name: String,
    pub targets: Vec<Target>,
    pub settings: Vec<Setting>,
    /// Everything in the source that asks these targets.
    pub from: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// As a configuration has it: without a port that is 53.
    pub address: String,
    pub tier: u8,
}

impl Target {
    /// Of the lowest tier.
    pub fn new(address: impl Into<String>) -> Target {
        Target { address: address.into(), tier: 0 }
    }
}

/// `[[rule]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub domains: Vec<String>,
    /// Networks.
    pub reverse: Vec<String>,
    /// The endpoint's name; none: a SYSTEM rule.
    pub endpoint: Option<String>,
    pub settings: Vec<Setting>,
    pub from: Place,
}

impl Rule {
    pub fn forward(domain: impl Into<String>, endpoint: impl Into<String>, from: &Place) -> Rule {
        Rule {
            domains: vec![domain.into()],
            reverse: Vec::new(),
            endpoint: Some(endpoint.into()),
            settings: Vec::new(),
            from: from.clone(),
        }
    }
}

/// `[[view]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub name: String,
    pub clients: Vec<String>,
    pub settings: Vec<Setting>,
    pub rules: Vec<Rule>,
    pub zones: Vec<Zone>,
    pub from: Place,
}

impl Draft {
    /// The name of the endpoint with exactly these targets, in any order: the one that is there, or a new one named
    /// after `hint`, a domain or a word.
    pub fn endpoint(&mut self, targets: &[Target], hint: &str, from: &Place) -> String {
        let mut wanted = targets.to_vec();
        wanted.sort();
        wanted.dedup();
        let same = |endpoint: &&mut Endpoint| {
            let mut there = endpoint.targets.clone();
            there.sort();
            there == wanted && endpoint.settings.is_empty()
        };
        if let Some(endpoint) = self.endpoints.iter_mut().find(same) {
            endpoint.from.push(from.clone());
            return endpoint.name.clone();
        }
        let mut targets: Vec<Target> = targets.to_vec();
        let mut seen = std::collections::HashSet::new();
        targets.retain(|target| seen.insert(target.clone()));
        let name = free_name(hint, |name| self.endpoints.iter().any(|endpoint| endpoint.name == name));
        self.endpoints.push(Endpoint {
            name: name.clone(),
            targets,
            settings: Vec::new(),
            from: vec![from.clone()],
        });
        name
    }
}

/// Sets a key once; a second value for it takes the place of the first.
pub fn set(settings: &mut Vec<Setting>, key: &'static str, value: Value, from: &Place) {
    settings.retain(|setting| setting.key != key);
    settings.push(Setting { key, value, from: from.clone() });
}

/// A name that our configuration takes (64 letters, digits and `-_.`), made of `hint`, that is not taken.
pub fn free_name(hint: &str, taken: impl Fn(&str) -> bool) -> String {
    /// Room for "-" and a number below 10 million.
    const LONGEST: usize = 56;
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' };
    let base: String = hint.trim_matches('.').chars().map(allowed).take(LONGEST).collect();
    let base = match base.trim_matches('-') {
        "" => "all",
        base => base,
    };
    let numbered = (2u32..).map(|number| format!("{base}-{number}"));
    let mut names = std::iter::once(base.to_owned()).chain(numbered);
    names.find(|name| !taken(name)).expect("there are more numbers than names")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { file: "named.conf".into(), line: 1, column: 1 }
    }

    #[test]
    fn equal_targets_share_an_endpoint() {
        let mut draft = Draft::default();
        let (one, two) = (Target::new("10.0.1.250"), Target::new("10.0.2.250"));
        let first = draft.endpoint(&[one.clone(), two.clone()], "a.corp", &place());
        assert_eq!(first, "a-corp");
        assert_eq!(draft.endpoint(&[two.clone(), one.clone(), two], "b.corp", &place()), "a-corp");
        assert_eq!(draft.endpoint(&[one], "a.corp", &place()), "a-corp-2");
        assert_eq!(draft.endpoints.len(), 2);
    }

    #[test]
    fn names_are_what_the_configuration_takes() {
        assert_eq!(free_name(".", |_| false), "all");
        assert_eq!(free_name("ä/b", |_| false), "b");
        assert_eq!(free_name(&"x".repeat(300), |_| false).len(), 56);
    }
}
