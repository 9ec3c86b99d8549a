//! The rules of a checked configuration, in two pieces of memory: an allocation for each domain of 100,000 would
//! lie scattered between what reading took for a while, and keep its pages from going back to the system.

use std::sync::Arc;

use super::source::{Location, Place};
use crate::wire::name::Name;

/// What to do with a domain and all below it that no other rule or zone takes. One per domain: those of
/// `domains` and those derived from `reverse` are rules of their own.
#[derive(Clone, Copy)]
pub struct Rule<'a> {
    /// In wire form, folded.
    pub domain: &'a [u8],
    pub action: RuleAction,
    pub follow_cname: bool,
    /// An index into the configuration's list.
    pub freshness: u16,
    /// Of the domain, or of the network that it derives from.
    pub place: &'a Location,
}

impl Rule<'_> {
    pub fn name(&self) -> Name {
        Name::from_wire(self.domain).expect("it was a name when it was put in")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// An index into the endpoints.
    Forward {
        endpoint: u32,
    },
    System,
}

/// Rules by index, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Their domains, one behind the other.
    names: Vec<u8>,
    rows: Vec<Row>,
}

/// What a rule says beside its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct What {
    pub action: RuleAction,
    pub follow_cname: bool,
    pub freshness: u16,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    at: u32,
    len: u8,
    follow_cname: bool,
    freshness: u16,
    action: RuleAction,
    place: Location,
}

impl Rules {
    pub(super) fn with_capacity(rules: usize) -> Rules {
        Rules { names: Vec::new(), rows: Vec::with_capacity(rules) }
    }

    /// Adds a rule for a domain that has none.
    pub(super) fn push(&mut self, domain: &Name, what: What, place: &Place) {
        let wire = domain.as_wire();
        let at =
            u32::try_from(self.names.len()).expect("4 GiB of names don't fit in a configuration's files");
        self.names.extend_from_slice(wire);
        let place = place.location();
        self.rows.push(Row::new(at, wire.len() as u8, what, place));
    }

    /// Gives the domain at an index to another rule.
    pub(super) fn replace(&mut self, index: u32, what: What, place: &Place) {
        let Row { at, len, .. } = self.rows[index as usize];
        self.rows[index as usize] = Row::new(at, len, what, place.location());
    }

    pub(super) fn shrink(mut self) -> Arc<Rules> {
        self.names.shrink_to_fit();
        self.rows.shrink_to_fit();
        Arc::new(self)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn get(&self, index: usize) -> Option<Rule<'_>> {
        self.rows.get(index).map(|row| self.rule(row))
    }

    /// The rule at an index that this configuration gave.
    pub fn at(&self, index: u32) -> Rule<'_> {
        self.rule(&self.rows[index as usize])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Rule<'_>> {
        self.rows.iter().map(|row| self.rule(row))
    }

    fn rule<'a>(&'a self, row: &'a Row) -> Rule<'a> {
        let domain = &self.names[row.at as usize..][..usize::from(row.len)];
        let Row { action, follow_cname, freshness, ref place, .. } = *row;
        Rule { domain, action, follow_cname, freshness, place }
    }
}

impl Row {
    fn new(at: u32, len: u8, what: What, place: Location) -> Row {
        let What { action, follow_cname, freshness } = what;
        Row { at, len, follow_cname, freshness, action, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100,000 rules: 4 MB, and their names.
    #[test]
    fn a_rule_is_small() {
        assert_eq!(size_of::<Row>(), 40);
    }
}
