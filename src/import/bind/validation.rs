//! DNSSEC validation, which BIND does unless it is told not to, and this server leaves to its targets.
//!
//! `dnssec-validation auto` and `yes` are *changed*, not *refused*, and so is the default of who writes nothing, which
//! is `auto` too: the same server must not come to two ends because a distribution writes its defaults out. What clients
//! hold in their hands has a counterpart: signatures, DO and the AD bit go both ways as the targets have them, so that
//! with targets that validate the answers are the same, and the receipt says what is left to do. A key of one's own has
//! none: no public resolver holds it, and a zone that only BIND validates would pass unnoticed. That is refused.

use super::translation::{Refusal, Scope, Translation};
use super::tree::{Item, Statement};
use super::value;

/// Statements that this file translates.
#[cfg(test)]
pub(super) const HERE: [&str; 4] = ["dnssec-validation", "managed-keys", "trust-anchors", "trusted-keys"];

impl<'a> Translation<'a> {
    /// True if the statement is one about validation, and has its entry.
    pub fn validation(&mut self, statement: &Statement) -> bool {
        match statement.name().as_str() {
            "dnssec-validation" if is_off(statement) => {
                self.not_needed(statement, "nothing is validated here either");
            }
            "dnssec-validation" => self.changed(
                statement,
                "answers are not validated here: signatures and the AD bit pass through as targets give them; ask targets \
                 that validate, over a way that you trust",
            ),
            "managed-keys" | "trust-anchors" | "trusted-keys" => self.anchors(statement),
            _ => return false,
        }
        true
    }

    fn anchors(&mut self, statement: &Statement) {
        let scope = Scope { view: None, options: self.options };
        let off = scope.find("dnssec-validation").is_some_and(is_off);
        let mut names: Vec<&str> = Vec::new();
        for name in statement.body().iter().filter_map(|anchor| anchor.items.first().and_then(Item::text)) {
            if name != "." && !names.contains(&name) {
                names.push(name);
            }
        }
        if off || names.is_empty() {
            return self.not_needed(statement, "about DNSSEC validation, and nothing is validated here");
        }
        let why = format!(
            "names below {} are validated with keys of their own, and nothing is validated here",
            names.join(", ")
        );
        let what_to_do =
            "let the targets of these names validate with these keys: the AD bit that they set is passed on";
        self.refused(statement, Refusal::new(why, what_to_do));
    }
}

fn is_off(statement: &Statement) -> bool {
    value::flag(statement.first_word()) == Some(false)
}
