//! What things are called within a file of another tool: made of their names, each once.

use std::collections::BTreeSet;

#[derive(Default)]
pub(super) struct Labels(BTreeSet<String>);

impl Labels {
    /// Terraform: small letters, digits and underscores, beginning with a letter.
    pub fn snake(&mut self, name: &str) -> String {
        let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let label: String = name.chars().map(allowed).collect();
        let is_begun = label.starts_with(|c: char| c.is_ascii_lowercase());
        self.free(if is_begun { label } else { format!("n_{label}") }, "_")
    }

    /// CloudFormation: letters and digits, of which each word begins with a capital, after what kind it is.
    pub fn camel(&mut self, kind: &str, name: &str) -> String {
        let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let mut label = kind.to_owned();
        for word in words {
            let (first, rest) = word.split_at(1);
            label.push_str(&first.to_ascii_uppercase());
            label.push_str(rest);
        }
        self.free(label, "N")
    }

    fn free(&mut self, label: String, between: &str) -> String {
        let more = (2..self.0.len() + 3).map(|number| format!("{label}{between}{number}"));
        let free = std::iter::once(label.clone()).chain(more).find(|one| !self.0.contains(one));
        let free = free.unwrap_or(label);
        self.0.insert(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sound_and_each_once() {
        let mut labels = Labels::default();
        assert_eq!(labels.snake("AnyCompany inbound"), "anycompany_inbound");
        assert_eq!(labels.snake("anycompany-inbound"), "anycompany_inbound_2");
        assert_eq!(labels.snake("10-corp"), "n_10_corp");
        assert_eq!(labels.camel("Rule", "anycompany-corp"), "RuleAnycompanyCorp");
        assert_eq!(labels.camel("Rule", "anycompany_corp"), "RuleAnycompanyCorpN2");
    }
}
