//! Rules on VPCs. A VPC has one rule for a domain: where one takes another's place there is a gap of seconds, which is
//! kept short and named. Exceptions come before what they are exceptions of, and go after it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::draft::{ChangeId, Draft};
use super::matching::{self, canonical};
use super::rule::{Leaving, Rules};
use super::stage::{Phase, Stage};
use super::step::{Ref, Step};
use super::{Action, Change, Field, ThingKind, check, text};
use crate::aws::world::{Association, State};
use crate::limits::AWS_MOVES_AT_ONCE;
use crate::wire::name::Name;

/// A rule of the file, by its index, on a VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair<'a> {
    pub rule: usize,
    pub vpc: &'a str,
}

pub(super) fn associations<'a>(draft: &mut Draft<'a>, rules: &Rules<'a>) {
    let goal = draft.goal;
    let pairs: Vec<Pair<'a>> = goal
        .rules
        .iter()
        .enumerate()
        .flat_map(|(rule, wish)| wish.vpcs.iter().map(move |vpc| Pair { rule, vpc }))
        .collect();
    check::loops(draft, &pairs);
    twice(draft, &pairs);
    let mut work = Work { rules, here: by_vpc(draft), moves: 0, moved: HashSet::new() };
    let depth = depths(pairs.iter().map(|pair| (pair.vpc, goal.rules[pair.rule].domain.clone())));
    for pair in &pairs {
        let domain = &goal.rules[pair.rule].domain;
        let place = depth.get(&(pair.vpc, domain.clone())).copied().unwrap_or_default();
        work.wanted(draft, *pair, place);
    }
    work.removed(draft);
}

/// Two rules of the file for one domain on one VPC: AWS takes the first alone.
fn twice(draft: &mut Draft<'_>, pairs: &[Pair<'_>]) {
    let goal = draft.goal;
    let mut first: HashMap<(&str, &Name), usize> = HashMap::new();
    for pair in pairs {
        let domain = &goal.rules[pair.rule].domain;
        if let Some(other) = first.insert((pair.vpc, domain), pair.rule) {
            let [one, other] = [other, pair.rule].map(|rule| &goal.rules[rule].name);
            let about =
                format!("rules {one} and {other} are both for {} on {}", text::domain_of(domain), pair.vpc);
            draft.obstacle(about, "take the VPC out of one of the two");
        }
    }
}

/// How many more special domains come before each on its VPC, one within the other.
fn depths<'a>(all: impl Iterator<Item = (&'a str, Name)>) -> HashMap<(&'a str, Name), u32> {
    let mut by_vpc: BTreeMap<&str, Vec<Name>> = BTreeMap::new();
    for (vpc, name) in all {
        by_vpc.entry(vpc).or_default().push(name);
    }
    let mut depths = HashMap::new();
    for (vpc, mut names) in by_vpc {
        // The most special ones first: each tells all that it lies in.
        names.sort_by_key(|name| std::cmp::Reverse(name.label_count()));
        for name in names {
            let own = *depths.entry((vpc, name.clone())).or_insert(0);
            let mut above = name.parent();
            while let Some(domain) = above {
                above = domain.parent();
                let known = depths.entry((vpc, domain)).or_insert(0);
                *known = (*known).max(own + 1);
            }
        }
    }
    depths
}

type Here<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a Association)>>;

fn by_vpc<'a>(draft: &Draft<'a>) -> Here<'a> {
    let mut here = Here::new();
    for (id, association) in &draft.world.associations {
        here.entry(&association.vpc).or_default().push((id, association));
    }
    here
}

struct Work<'a, 'r> {
    rules: &'r Rules<'a>,
    here: Here<'a>,
    moves: u32,
    /// IDs of associations that are taken off already.
    moved: HashSet<&'a str>,
}

impl<'a> Work<'a, '_> {
    fn wanted(&mut self, draft: &mut Draft<'a>, pair: Pair<'a>, depth: u32) {
        let wish = &draft.goal.rules[pair.rule];
        if self.rules.placed[pair.rule].is_lost() {
            return;
        }
        if !draft.world.vpcs.contains_key(pair.vpc) {
            let about = format!("rule {}: there is no VPC {}", wish.name, pair.vpc);
            draft.obstacle(
                about,
                format!("name a VPC of account {} in {}", draft.world.account, draft.world.region),
            );
            return;
        }
        let placed = &self.rules.placed[pair.rule];
        let own = placed.now.filter(|_| placed.is_kept());
        let all = self.here.get(pair.vpc).cloned().unwrap_or_default();
        let own = all.iter().filter(|(_, association)| Some(association.rule.as_str()) == own);
        // One that is going may stand beside the one that came after it.
        let own = own.min_by_key(|(_, association)| association.state == State::Going).copied();
        match own.map(|(id, association)| (id, association, association.state)) {
            Some((_, _, State::Ready)) => {}
            Some((id, association, State::Coming)) => coming(draft, pair, id, association),
            Some((id, association, State::Broken)) => self.again(draft, pair, id, association),
            Some((_, association, State::Going)) => {
                let change = create(draft, pair, "the last one is still being deleted, and is waited for");
                let (rule, vpc) = (association.rule.clone(), association.vpc.clone());
                draft.wait(change, Step::Disassociate { rule, vpc });
                self.associate(draft, pair, change, Stage(Phase::Associations, depth));
            }
            None => self.anew(draft, pair, &all, depth),
        }
    }

    /// There is none: perhaps another rule has the domain on this VPC.
    fn anew(
        &mut self,
        draft: &mut Draft<'a>,
        pair: Pair<'a>,
        all: &[(&'a str, &'a Association)],
        depth: u32,
    ) {
        let domain = text::domain_of(&draft.goal.rules[pair.rule].domain);
        let world = draft.world;
        let mut rivals = all.iter().filter(|(_, association)| {
            world.rules.get(&association.rule).is_some_and(|rule| canonical(&rule.domain) == domain)
        });
        let Some((id, rival)) = rivals.next().copied() else {
            let change = create(draft, pair, "not in AWS");
            self.associate(draft, pair, change, Stage(Phase::Associations, depth));
            return;
        };
        let (rule, vpc) = (rival.rule.clone(), rival.vpc.clone());
        if rival.state == State::Going {
            let reason = format!("the one of {rule} is still being deleted, and is waited for");
            let change = create(draft, pair, &reason);
            draft.wait(change, Step::Disassociate { rule, vpc });
            self.associate(draft, pair, change, Stage(Phase::Associations, depth));
        } else if self.may_move(draft, rival) {
            self.take_over(draft, pair, id, rival);
        } else {
            self.refuse(draft, pair, rival);
        }
    }

    /// Whether the association of another rule is ours to take off, and isn't wanted.
    fn may_move(&self, draft: &Draft<'_>, rival: &Association) -> bool {
        let Some(rule) = draft.world.rules.get(&rival.rule) else { return false };
        let is_wanted = self
            .rules
            .wish_of(&rival.rule)
            .is_some_and(|index| draft.goal.rules[index].vpcs.contains(&rival.vpc));
        let is_pinned = self.rules.wish_of(&rival.rule).is_some();
        (is_pinned || matching::is_ours(rule, draft.world, draft.owner)) && !is_wanted
    }

    fn refuse(&self, draft: &mut Draft<'_>, pair: Pair<'_>, rival: &Association) {
        let wish = &draft.goal.rules[pair.rule];
        let name = draft.world.rules.get(&rival.rule).map_or("", |rule| &rule.name);
        let about = format!(
            "rule {} can't be on {}: rule {} ({name}) has {} there already",
            wish.name,
            pair.vpc,
            rival.rule,
            text::domain_of(&wish.domain),
        );
        let help = match self.rules.wish_of(&rival.rule) {
            Some(_) => "take the VPC out of one of the two rules".to_owned(),
            None => format!(
                "it isn't ours: take it over (dnsfwd aws adopt, or id = \"{}\"), or have it disassociated",
                rival.rule
            ),
        };
        draft.obstacle(about, help);
    }

    fn take_over(&mut self, draft: &mut Draft<'a>, pair: Pair<'a>, id: &'a str, rival: &Association) {
        let reason = format!(
            "takes the place of {}: for some seconds the VPC has no rule for the domain, as AWS allows one",
            rival.rule
        );
        let fields = vec![
            Field::removed("rule", &rival.rule),
            Field::added("rule", &draft.goal.rules[pair.rule].name),
        ];
        let change = Change::new(ThingKind::Association, &name(draft, pair), Action::Replace, reason);
        let change = draft.change(change.id(id).fields(fields));
        self.swap(draft, pair, change, id, rival);
    }

    /// AWS says that it failed: it is asked for once more.
    fn again(&mut self, draft: &mut Draft<'a>, pair: Pair<'a>, id: &'a str, association: &Association) {
        let reason = format!("AWS says {}: it is made anew", association.status);
        let change = Change::new(ThingKind::Association, &name(draft, pair), Action::Replace, reason);
        let change = draft.change(change.id(id));
        self.swap(draft, pair, change, id, association);
    }

    fn swap(
        &mut self,
        draft: &mut Draft<'a>,
        pair: Pair<'a>,
        change: ChangeId,
        id: &'a str,
        old: &Association,
    ) {
        let (rule, vpc) = (old.rule.clone(), old.vpc.clone());
        if old.state == State::Coming {
            draft.wait(change, associated(&rule, &vpc));
        }
        let stage = 2 * (self.moves / AWS_MOVES_AT_ONCE);
        draft.step(Stage(Phase::Moves, stage), change, Step::Disassociate { rule, vpc });
        self.associate(draft, pair, change, Stage(Phase::Moves, stage + 1));
        self.moves += 1;
        self.moved.insert(id);
    }

    fn associate(&self, draft: &mut Draft<'_>, pair: Pair<'_>, change: ChangeId, stage: Stage) {
        let rule = self.rules.placed[pair.rule].then.clone();
        let name = draft.goal.rules[pair.rule].name.clone();
        draft.step(stage, change, Step::Associate { rule, vpc: pair.vpc.to_owned(), name });
    }

    /// Those of our rules that aren't wanted. A rule that was let go keeps its own.
    fn removed(&self, draft: &mut Draft<'a>) {
        let world = draft.world;
        let gone = |association: &Association| self.is_unwanted(draft, association);
        let unwanted: Vec<(&String, &Association)> = world
            .associations
            .iter()
            .filter(|(id, association)| !self.moved.contains(id.as_str()) && gone(association))
            .collect();
        let name_of = |association: &Association| {
            world.rules.get(&association.rule).and_then(|rule| Name::parse(&rule.domain).ok())
        };
        let names = unwanted.iter().filter_map(|(_, one)| Some((one.vpc.as_str(), name_of(one)?)));
        let depths = depths(names);
        let last = depths.values().max().copied().unwrap_or_default();
        for (id, association) in unwanted {
            let name = name_of(association);
            let depth = name.and_then(|name| depths.get(&(association.vpc.as_str(), name)).copied());
            self.remove(draft, id, association, last - depth.unwrap_or_default());
        }
    }

    fn is_unwanted(&self, draft: &Draft<'_>, association: &Association) -> bool {
        match self.rules.going.get(association.rule.as_str()) {
            Some(Leaving::Deleted) => true,
            Some(Leaving::LetGo) => false,
            None => self
                .rules
                .wish_of(&association.rule)
                .is_some_and(|index| !draft.goal.rules[index].vpcs.contains(&association.vpc)),
        }
    }

    fn remove(&self, draft: &mut Draft<'_>, id: &str, association: &Association, place: u32) {
        let (rule, vpc) = (association.rule.clone(), association.vpc.clone());
        let name = match self.rules.wish_of(&rule) {
            Some(index) => draft.goal.rules[index].name.clone(),
            None => draft.world.rules.get(&rule).map_or_else(|| rule.clone(), |rule| rule.name.clone()),
        };
        let reason = match self.rules.going.contains_key(rule.as_str()) {
            true => "its rule goes",
            false => "not in the file any more",
        };
        let is_going = association.state == State::Going;
        // What goes by itself matters only to a rule that is deleted after it.
        if is_going && !self.rules.going.contains_key(rule.as_str()) {
            return;
        }
        let action = if is_going { Action::Wait } else { Action::Delete };
        let change = Change::new(ThingKind::Association, &format!("{name} on {vpc}"), action, reason).id(id);
        let change = draft.change(change);
        let step = Step::Disassociate { rule: rule.clone(), vpc: vpc.clone() };
        if is_going {
            draft.wait(change, step);
            return;
        }
        if association.state == State::Coming {
            draft.wait(change, associated(&rule, &vpc));
        }
        draft.step(Stage(Phase::Disassociations, place), change, step);
    }
}

fn name(draft: &Draft<'_>, pair: Pair<'_>) -> String {
    format!("{} on {}", draft.goal.rules[pair.rule].name, pair.vpc)
}

fn create(draft: &mut Draft<'_>, pair: Pair<'_>, reason: &str) -> ChangeId {
    let name = name(draft, pair);
    draft.change(Change::new(ThingKind::Association, &name, Action::Create, reason))
}

fn coming(draft: &mut Draft<'_>, pair: Pair<'_>, id: &str, association: &Association) {
    let reason = format!("AWS is still at what an earlier run asked for: {}", association.status);
    let change = Change::new(ThingKind::Association, &name(draft, pair), Action::Wait, reason).id(id);
    let change = draft.change(change);
    draft.wait(change, associated(&association.rule, &association.vpc));
}

/// Awaiting it means waiting until the association is COMPLETE.
fn associated(rule: &str, vpc: &str) -> Step {
    Step::Associate { rule: Ref::Id(rule.to_owned()), vpc: vpc.to_owned(), name: String::new() }
}
