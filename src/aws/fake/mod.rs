//! AWS in memory, for tests: a [`World`] that is changed by steps as the Resolver API changes it, with its refusals and
//! its slowness, and with faults on demand. Time in it is the number of times that somebody looked.

mod ask;
mod journal;
mod make;
mod progress;
mod shape;

use std::cell::RefCell;
use std::collections::BTreeMap;

pub use self::journal::Journal;
pub use self::shape::shape;
use super::cloud::{Asked, Cloud, Progress, Tell};
use super::plan::step::Step;
use super::trouble::{Kind, Trouble};
use super::world::{State, World};
use crate::config::aws::Aws;

/// What goes wrong, by the number of the request from 1: asking and looking count alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request never arrives.
    Before(u32),
    /// It is carried out, and its answer is lost.
    After(u32),
    /// AWS is busy with something; the next time it isn't.
    Busy(u32),
    /// AWS can't be reached for so many requests.
    Blind { from: u32, count: u32 },
}

#[derive(Clone)]
pub struct Fake {
    inner: RefCell<Inner>,
}

#[derive(Clone)]
struct Inner {
    world: World,
    /// Looks until something is settled.
    timers: BTreeMap<Thing, u32>,
    ids: u32,
    requests: u32,
    faults: Vec<Fault>,
    /// Addresses that are added in these subnets fail.
    bad_subnets: Vec<String>,
    slowness: u32,
    journal: Journal,
}

/// What has a state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Address(String, String),
    Endpoint(String),
    Rule(String),
    Association(String),
    QueryLog(String),
    Log(String, String),
    Dnssec(String),
    Reverse(String),
}

/// How many endpoints and addresses of each the account may have (Route 53 quotas).
const ENDPOINTS: usize = 4;
const ADDRESSES: usize = 6;

impl Fake {
    pub fn new(world: World) -> Fake {
        let inner = Inner {
            journal: Journal::default(),
            world,
            timers: BTreeMap::new(),
            ids: 0,
            requests: 0,
            faults: Vec::new(),
            bad_subnets: Vec::new(),
            slowness: 3,
        };
        Fake { inner: RefCell::new(inner) }
    }

    /// From now on the journal notes each touch of what isn't `wanted`'s own.
    pub fn watch_for(&self, wanted: &Aws) {
        self.inner.borrow_mut().journal.watch_for(wanted);
    }

    /// Counted from the next request.
    pub fn fault(&self, fault: Fault) {
        let mut inner = self.inner.borrow_mut();
        inner.requests = 0;
        inner.faults.push(fault);
    }

    /// Requests are counted from here, and nothing goes wrong.
    pub fn from_here(&self) {
        let mut inner = self.inner.borrow_mut();
        (inner.requests, inner.journal) = (0, Journal::default());
        inner.faults.clear();
    }

    /// How often things were asked for or looked at since then.
    pub fn requests(&self) -> u32 {
        self.inner.borrow().requests
    }

    /// How many looks it takes until something is settled, at most.
    pub fn slowness(&self, looks: u32) {
        self.inner.borrow_mut().slowness = looks;
    }

    pub fn bad_subnet(&self, subnet: &str) {
        self.inner.borrow_mut().bad_subnets.push(subnet.to_owned());
    }

    /// Somebody else changes something.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.inner.borrow_mut().world);
    }

    /// All that there is, without the time going on.
    pub fn world(&self) -> World {
        self.inner.borrow().world.clone()
    }

    /// Lets time go by until nothing is on its way any more.
    pub fn settle(&self) {
        let mut inner = self.inner.borrow_mut();
        while !inner.timers.is_empty() {
            inner.tick();
        }
    }

    pub fn journal(&self) -> Journal {
        self.inner.borrow().journal.clone()
    }
}

impl Cloud for Fake {
    async fn observe(&self, wanted: &Aws, _: &dyn Tell) -> Result<World, Trouble> {
        let mut inner = self.inner.borrow_mut();
        inner.arrives()?;
        inner.tick();
        inner.answers()?;
        Ok(inner.seen(wanted))
    }

    async fn glance(&self, wanted: &Aws) -> Result<World, Trouble> {
        self.observe(wanted, &()).await
    }

    async fn ask(&self, step: &Step) -> Result<Option<String>, Trouble> {
        // Requests that are made side by side arrive in any order.
        tokio::task::yield_now().await;
        let mut inner = self.inner.borrow_mut();
        inner.arrives()?;
        if inner.faults.contains(&Fault::Busy(inner.requests)) {
            return Err(trouble(Kind::Busy, "it is on its way to another state"));
        }
        let asked = inner.journaled(step);
        if asked.as_ref().is_err_and(|trouble| trouble.kind == Kind::Busy) {
            inner.tick();
        }
        let made = asked?;
        inner.answers()?;
        Ok(made)
    }

    async fn pending(&self, asked: &[Asked]) -> Result<Vec<Progress>, Trouble> {
        let mut inner = self.inner.borrow_mut();
        inner.arrives()?;
        inner.tick();
        inner.answers()?;
        Ok(asked.iter().map(|asked| inner.progress(asked)).collect())
    }

    async fn attached(&self, endpoint: &str, beside: &str) -> Result<usize, Trouble> {
        let mut inner = self.inner.borrow_mut();
        inner.tick();
        let endpoint = inner.world.endpoints.get(endpoint).ok_or_else(|| gone("endpoint"))?;
        let others = endpoint.addresses.iter().filter(|(id, _)| *id != beside);
        Ok(others.filter(|(_, address)| address.state == State::Ready).count())
    }
}

impl Inner {
    fn arrives(&mut self) -> Result<(), Trouble> {
        self.requests += 1;
        let is_blind = |fault: &Fault| match fault {
            Fault::Blind { from, count } => (*from..from.saturating_add(*count)).contains(&self.requests),
            _ => false,
        };
        if self.faults.iter().any(is_blind) {
            return Err(trouble(Kind::Unreachable, "no answer"));
        }
        match self.faults.contains(&Fault::Before(self.requests)) {
            // Nothing that is waited out: the run is over, as if it had been killed.
            true => Err(trouble(Kind::Credentials, "killed before the request")),
            false => Ok(()),
        }
    }

    fn answers(&mut self) -> Result<(), Trouble> {
        match self.faults.contains(&Fault::After(self.requests)) {
            true => Err(trouble(Kind::Credentials, "killed after the request")),
            false => Ok(()),
        }
    }

    fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}{:017x}", self.ids)
    }

    /// Something is on its way, for one to `slowness` looks.
    fn begin(&mut self, thing: Thing) {
        self.ids += 1;
        let looks = 1 + self.ids.wrapping_mul(2_654_435_761) % self.slowness.max(1);
        self.timers.insert(thing, looks);
    }

    /// A look: what is on its way comes nearer.
    fn tick(&mut self) {
        for looks in self.timers.values_mut() {
            *looks = looks.saturating_sub(1);
        }
        let settled: Vec<Thing> =
            self.timers.iter().filter(|(_, looks)| **looks == 0).map(|(thing, _)| thing.clone()).collect();
        for thing in settled {
            self.timers.remove(&thing);
            self.settle(&thing);
        }
        self.journal_attached();
    }

    fn settle(&mut self, thing: &Thing) {
        let world = &mut self.world;
        match thing {
            Thing::Endpoint(id) => {
                settle(&mut world.endpoints, id, |e| (&mut e.state, &mut e.status), "OPERATIONAL");
                let Some(endpoint) = world.endpoints.get_mut(id) else { return };
                if endpoint.addresses.values().any(|address| address.state == State::Broken) {
                    (endpoint.state, endpoint.status) = (State::Broken, "ACTION_NEEDED".to_owned());
                }
            }
            Thing::Rule(id) => settle(&mut world.rules, id, |r| (&mut r.state, &mut r.status), "COMPLETE"),
            Thing::Association(id) => {
                settle(&mut world.associations, id, |a| (&mut a.state, &mut a.status), "COMPLETE");
            }
            Thing::QueryLog(id) => {
                settle(&mut world.query_logs, id, |q| (&mut q.state, &mut q.status), "CREATED");
            }
            Thing::Address(endpoint, id) => {
                if let Some(endpoint) = world.endpoints.get_mut(endpoint) {
                    settle(&mut endpoint.addresses, id, |a| (&mut a.state, &mut a.status), "ATTACHED");
                }
            }
            Thing::Log(id, vpc) => {
                let Some(logs) = world.query_log_associations.get_mut(id) else { return };
                match logs.get(vpc) {
                    Some(State::Going) => drop(logs.remove(vpc)),
                    _ => drop(logs.insert(vpc.clone(), State::Ready)),
                }
                world.query_log_associations.retain(|_, vpcs| !vpcs.is_empty());
            }
            Thing::Dnssec(vpc) => {
                let switch = world.vpcs.get_mut(vpc).and_then(|vpc| vpc.dnssec_validation.as_mut());
                switch.into_iter().for_each(|switch| switch.is_changing = false);
            }
            Thing::Reverse(vpc) => {
                let switch = world.vpcs.get_mut(vpc).and_then(|vpc| vpc.autodefined_reverse.as_mut());
                switch.into_iter().for_each(|switch| switch.is_changing = false);
            }
        }
    }

    /// What an observation for `wanted` brings: the parts that [`World`] says.
    fn seen(&self, wanted: &Aws) -> World {
        let mut world = self.world.clone();
        let named = |list: &[String], id: &String| list.contains(id);
        let vpcs: Vec<String> = wanted.vpcs.iter().map(|vpc| vpc.id.clone()).collect();
        let mut all_vpcs = vpcs;
        all_vpcs.extend(wanted.endpoints.iter().map(|endpoint| endpoint.vpc.clone()));
        all_vpcs.extend(wanted.rules.iter().flat_map(|rule| rule.vpcs.clone()));
        all_vpcs.extend(wanted.query_logs.iter().flat_map(|log| log.vpcs.clone()));
        world.vpcs.retain(|id, _| named(&all_vpcs, id));
        for (id, vpc) in &mut world.vpcs {
            let said = wanted.vpc(id);
            if said.is_none_or(|vpc| vpc.dnssec_validation.is_none()) {
                vpc.dnssec_validation = None;
            }
            if said.is_none_or(|vpc| vpc.autodefined_reverse.is_none()) {
                vpc.autodefined_reverse = None;
            }
        }
        world.client_vpns.retain(|id, _| wanted.client_vpns.iter().any(|vpn| vpn.endpoint == *id));
        let owner = crate::aws::owned::Owner(&wanted.owner);
        world.security_groups.retain(|id, group| {
            let theirs = wanted.endpoints.iter().any(|endpoint| match &endpoint.security_group {
                crate::config::aws::SecurityGroup::Theirs(ids) => ids.contains(id),
                crate::config::aws::SecurityGroup::Ours { .. } => false,
            });
            theirs || owner.tagged(&group.tags)
        });
        world.shares.retain(|_, share| owner.tagged(&share.tags));
        world
    }
}

/// What comes is there, what goes is gone.
fn settle<T>(
    things: &mut BTreeMap<String, T>,
    id: &str,
    parts: fn(&mut T) -> (&mut State, &mut String),
    ready: &str,
) {
    let Some(thing) = things.get_mut(id) else { return };
    let (state, status) = parts(thing);
    match state {
        State::Going => drop(things.remove(id)),
        State::Broken => {}
        State::Coming | State::Ready => {
            *state = State::Ready;
            ready.clone_into(status);
        }
    }
}

fn trouble(kind: Kind, message: &str) -> Trouble {
    Trouble {
        kind,
        operation: String::new(),
        subject: String::new(),
        code: None,
        resolver_code: None,
        message: message.to_owned(),
        help: String::new(),
    }
}

fn coded(kind: Kind, code: &str, message: &str) -> Trouble {
    Trouble { resolver_code: Some(code.to_owned()), ..trouble(kind, message) }
}

fn gone(what: &str) -> Trouble {
    trouble(Kind::NotFound, &format!("there is no such {what}"))
}
