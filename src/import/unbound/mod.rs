//! `unbound.conf`: read as Unbound reads it, and what it forwards and answers itself taken over. What Unbound looks up
//! from the root on is not.

mod keys;
mod local;
mod reader;
mod server;
mod tables;
mod views;
mod zones;

use std::path::Path;

use super::plan::{Plan, Said};
use super::reading::Files;
use super::{Imported, Kind, Place, Unreadable};
use keys::{About, Clause};
use reader::{Key, Section};

/// Is this what Unbound's files are called? In lower case.
pub fn is_name(name: &str) -> bool {
    name.starts_with("unbound") && name.contains("conf")
}

/// Does one of its clauses come first?
pub fn is_text(text: &str) -> bool {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let first = lines.filter(|line| !line.is_empty()).find(|line| !line.starts_with("include"));
    first.and_then(|line| line.split_once(':')).is_some_and(|(word, _)| keys::clause(word).is_some())
}

/// Reads the file and all that it includes.
pub fn import(source: &Path) -> Result<Imported, Unreadable> {
    let mut files = Files::new(source);
    let sections = reader::read(source, &mut files)?;
    let top = Place { file: files.shown(source), line: 1, column: 1 };
    let mut plan = Plan::new(Kind::Unbound, source.display().to_string());
    plan.alone = "names below it don't exist here, where Unbound looks them up";
    let sections = sections.into_iter().map(|section| Stated::new(section, &mut plan)).collect();
    let mut whole = Whole { sections, plan, top };
    whole.clauses_left_out();
    let locals = local::types(&mut whole)?;
    zones::forwards(&mut whole, &locals);
    zones::from_files(&mut whole, &mut files);
    local::zones(&mut whole, &locals);
    server::settings(&mut whole);
    views::views(&mut whole)?;
    Ok(whole.plan.finish())
}

/// A clause, and the statement of each of its keys.
struct Stated {
    section: Section,
    said: Vec<Said>,
}

impl Stated {
    fn new(section: Section, plan: &mut Plan) -> Stated {
        let said = section.keys.iter().map(|key| plan.statement(&key.place, &key.text())).collect();
        Stated { section, said }
    }

    fn keys(&self) -> impl Iterator<Item = (&Key, &Said)> {
        self.section.keys.iter().zip(&self.said)
    }
}

struct Whole {
    sections: Vec<Stated>,
    plan: Plan,
    top: Place,
}

impl Whole {
    /// All keys of `server:` with one of these names, in the order of the files.
    fn server(&self, names: &[&str]) -> Vec<(Key, Said)> {
        let clauses = self.sections.iter().filter(|stated| stated.section.clause == Clause::Server);
        let keys = clauses.flat_map(Stated::keys).filter(|(key, _)| names.contains(&key.name));
        keys.map(|(key, said)| (key.clone(), said.clone())).collect()
    }

    /// The last value of a key of `server:`.
    fn last(&self, name: &str) -> Option<String> {
        self.server(&[name]).last().map(|(key, _)| key.value().to_owned())
    }

    fn says(&self, name: &str) -> bool {
        self.last(name).as_deref() == Some("yes")
    }

    /// Clauses that have no part in this server, and keys of `server:` that have none.
    fn clauses_left_out(&mut self) {
        let Whole { sections, plan, .. } = self;
        for stated in sections.iter() {
            let (why, what_to_do) = match stated.section.clause {
                Clause::None | Clause::Forward | Clause::Stub | Clause::Auth | Clause::View => continue,
                Clause::Server => {
                    server_left_out(stated, plan);
                    continue;
                }
                Clause::Control => ("this server has a control socket of its own: [control] socket", None),
                Clause::Rpz => {
                    ("answers are not filtered by policy zones here", Some("filter on the targets' side"))
                }
                Clause::Module => {
                    ("this server has no such module", Some("keep it on the targets' side, or do without"))
                }
            };
            for said in &stated.said {
                match what_to_do {
                    Some(what_to_do) => plan.refused(said, why, what_to_do),
                    None => plan.not_needed(said, why),
                }
            }
        }
    }
}

fn server_left_out(stated: &Stated, plan: &mut Plan) {
    for (key, said) in stated.keys() {
        let about = keys::about(key.name);
        // What keeps something from being done is no loss where it is not done.
        let off = key.value() == "no" && keys::kind(key.name) == keys::Kind::Flag;
        match about.left_out() {
            _ if about == About::Names => {}
            (why, Some(what_to_do)) if !off => plan.refused(said, why, what_to_do),
            (why, _) => plan.not_needed(said, why),
        }
    }
}
