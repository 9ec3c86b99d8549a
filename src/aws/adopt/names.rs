//! Names that the file takes: as AWS has them where they are sound and free, else the nearest to it.

use std::collections::BTreeSet;

use crate::config::aws::is_resolver_name;
use crate::wire::name::Name;

/// Characters of a name in the Resolver API.
const MAX: usize = 64;

pub(super) fn is_sound(name: &str) -> bool {
    is_resolver_name(name)
}

/// A domain as AWS gives it. None: it is no name.
pub(super) fn domain(text: &str) -> Option<Name> {
    Name::parse(text).ok()
}

/// Names that are taken.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub fn take(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// What is nearest to `name` and free; `otherwise` in the place of a name that is empty. Taken from now on.
    pub fn free(&mut self, name: &str, otherwise: &str) -> String {
        let name = sound(if name.is_empty() { otherwise } else { name });
        let tries = self.0.len() + 2;
        let numbered = (2..=tries + 2).map(|number| numbered(&name, number));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !self.0.contains(name));
        let free = free.unwrap_or(name);
        self.take(&free);
        free
    }
}

fn numbered(name: &str, number: usize) -> String {
    let end = format!("-{number}");
    let begin: String = name.chars().take(MAX - end.len()).collect();
    begin + &end
}

fn sound(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_' ".contains(c) { c } else { '-' };
    let name: String = name.chars().map(allowed).take(MAX).collect();
    match is_sound(&name) {
        true => name,
        // Digits alone.
        false => numbered(&name, 1),
    }
}
