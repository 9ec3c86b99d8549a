//! Targets that are written as names: what is known of their addresses, and who keeps that up to date. Lookups go to
//! the bootstrap servers alone, never through our own rules, and no query waits for one.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name as HickoryName, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::config::{self, Config};
use crate::control::report;
use crate::limits::{
    ADDRESSES_PER_NAME, BOOTSTRAP_TIMEOUT, NAME_KEPT_MAX, NAME_KEPT_MIN, NAME_RETRY_MAX, NAMES_WITHIN,
};
use crate::wire::name::Name;

/// All names that targets have, shared by snapshots.
#[derive(Default)]
pub struct Names {
    book: Mutex<Book>,
    /// Something is due earlier than it was, or all is over.
    changed: Condvar,
}

#[derive(Default)]
struct Book {
    known: HashMap<Name, Known>,
    bootstrap: Vec<SocketAddr>,
    over: bool,
}

/// What is known of one name.
struct Known {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
    /// When a lookup last gave addresses.
    learned: Option<Instant>,
    /// When it is to be looked up again.
    due: Instant,
    /// Lookups that failed since the last that did not.
    failed_in_a_row: u32,
    /// Why the latest one failed.
    failure: Option<String>,
    changes: u64,
    failures: u64,
}

impl Names {
    /// The newest good addresses of a name; none before the first lookup has given some.
    pub fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        self.lock().known.get(name).map(Known::addresses).unwrap_or_default()
    }

    /// The names of this configuration are wanted too. True if one of them was never looked up.
    pub fn want(&self, config: &Config, now: Instant) -> bool {
        let mut book = self.lock();
        let moved = book.bootstrap != config.server.bootstrap;
        book.bootstrap.clone_from(&config.server.bootstrap);
        for name in config.target_names() {
            let known = book.known.entry(name.clone()).or_insert_with(|| Known::new(now));
            known.due = if moved { now } else { known.due };
        }
        self.changed.notify_all();
        book.known.values().any(|known| known.learned.is_none() && known.failure.is_none())
    }

    /// This configuration is the one in force: names of others are forgotten.
    pub fn settle_on(&self, config: &Config, now: Instant) {
        self.want(config, now);
        let wanted: HashSet<&Name> = config.target_names().collect();
        self.lock().known.retain(|name, _| wanted.contains(name));
    }

    /// The names that are to be looked up now, and whom to ask.
    pub fn due(&self, now: Instant) -> (Vec<Name>, Vec<SocketAddr>) {
        let book = self.lock();
        let due = book.known.iter().filter(|(_, known)| known.due <= now).map(|(name, _)| name.clone());
        (due.collect(), book.bootstrap.clone())
    }

    /// When the next name is due that is not among these.
    pub fn next_due(&self, but: &HashSet<Name>) -> Option<Instant> {
        let book = self.lock();
        book.known.iter().filter(|(name, _)| !but.contains(*name)).map(|(_, known)| known.due).min()
    }

    /// Takes what a lookup gave, unless nobody wants the name any more. True if its addresses are others now.
    pub fn take(&self, name: &Name, looked: Looked, now: Instant) -> bool {
        self.lock().known.get_mut(name).is_some_and(|known| known.take(name, looked, now))
    }

    /// Looks up the names that are due, all at once and within a bound. True if some address is another one now.
    pub fn look_up(&self, now: Instant) -> bool {
        let (due, bootstrap) = self.due(now);
        if due.is_empty() {
            return false;
        }
        // On a thread of its own: whoever asks may be within a runtime already, which can't run another.
        let found = thread::scope(|scope| scope.spawn(|| look_up_all(&due, &bootstrap)).join());
        let found = found.unwrap_or_else(|_| Err(io::Error::other("the lookup's thread ended")));
        let mut found = found.unwrap_or_else(|error| {
            tracing::error!(%error, "names of targets can't be looked up");
            HashMap::new()
        });
        let mut changed = false;
        for name in due {
            let looked = found.remove(&name).unwrap_or_else(|| Looked::failed("no answer in time"));
            changed |= self.take(&name, looked, Instant::now());
        }
        changed
    }

    /// Waits until a name is due. False when all is over.
    pub fn wait(&self) -> bool {
        let mut book = self.lock();
        loop {
            let now = Instant::now();
            let due = book.known.values().map(|known| known.due).min();
            let left = due.map_or(NAME_KEPT_MAX, |due| due.saturating_duration_since(now));
            if book.over || left.is_zero() {
                return !book.over;
            }
            book = self.changed.wait_timeout(book, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends who waits.
    pub fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    pub fn status(&self, name: &Name) -> report::NameStatus {
        let book = self.lock();
        let known = book.known.get(name);
        report::NameStatus {
            name: name.to_string(),
            addresses: known.map(Known::addresses).unwrap_or_default(),
            secs_ago: known.and_then(|known| known.learned).map(|at| at.elapsed().as_secs()),
            failure: known.and_then(|known| known.failure.clone()),
        }
    }

    pub fn samples(&self) -> Vec<report::NameSample> {
        let sample = |(name, known): (&Name, &Known)| report::NameSample {
            name: name.to_string(),
            addresses: known.addresses().len() as u64,
            changes: known.changes,
            failures: known.failures,
        };
        self.lock().known.iter().map(sample).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn new(now: Instant) -> Known {
        Known {
            v4: Vec::new(),
            v6: Vec::new(),
            learned: None,
            due: now,
            failed_in_a_row: 0,
            failure: None,
            changes: 0,
            failures: 0,
        }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.v4.iter().chain(&self.v6).copied().take(ADDRESSES_PER_NAME).collect()
    }

    /// Takes what a lookup gave. What failed leaves the last good addresses as they are: a name's server that is
    /// away says nothing of the targets. True if the addresses are others now.
    fn take(&mut self, name: &Name, looked: Looked, now: Instant) -> bool {
        let before = self.addresses();
        let Looked { v4, v6 } = looked;
        let mut ttl = NAME_KEPT_MAX;
        let mut failure = None;
        // Not both empty: that there is no address at all is as likely a slip as an outage is.
        let empty =
            |found: &Result<Found, String>| found.as_ref().is_ok_and(|found| found.addresses.is_empty());
        if empty(&v4) && empty(&v6) {
            failure = Some("it has no address".to_string());
        } else {
            for (found, kept) in [(v4, &mut self.v4), (v6, &mut self.v6)] {
                match found {
                    Ok(found) => (*kept, ttl) = (found.addresses, ttl.min(found.ttl)),
                    Err(why) => failure = Some(why),
                }
            }
        }
        let after = self.addresses();
        self.note(name, failure, !after.is_empty(), now);
        self.due = now
            + match self.failed_in_a_row {
                0 => ttl.max(NAME_KEPT_MIN),
                times => (NAME_KEPT_MIN * 2u32.pow(times.min(8) - 1)).min(NAME_RETRY_MAX),
            };
        if before == after {
            return false;
        }
        self.changes += u64::from(!before.is_empty());
        tracing::info!(%name, before = listed(&before), now = listed(&after), "a target's name has other addresses");
        true
    }

    /// One line when lookups begin to fail, and one when they succeed again.
    fn note(&mut self, name: &Name, failure: Option<String>, has_some: bool, now: Instant) {
        match &failure {
            Some(why) => {
                self.failures += 1;
                self.failed_in_a_row += 1;
                let meanwhile = if has_some { "its last addresses are kept" } else { "it has none" };
                if self.failed_in_a_row == 1 {
                    tracing::warn!(%name, why, "a target's name can't be looked up; {meanwhile}");
                }
            }
            None => {
                self.learned = Some(now);
                if std::mem::take(&mut self.failed_in_a_row) > 0 {
                    tracing::info!(%name, "a target's name can be looked up again");
                }
            }
        }
        self.failure = failure;
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What one lookup gave, by family: one may fail without the other.
#[derive(Clone, Debug)]
pub struct Looked {
    pub v4: Result<Found, String>,
    pub v6: Result<Found, String>,
}

/// Sorted; empty where the name has none of this family.
#[derive(Clone, Debug)]
pub struct Found {
    pub addresses: Vec<IpAddr>,
    pub ttl: Duration,
}

impl Found {
    pub fn of(mut addresses: Vec<IpAddr>, ttl: Duration) -> Found {
        addresses.sort_unstable();
        addresses.dedup();
        Found { addresses, ttl: ttl.min(NAME_KEPT_MAX) }
    }
}

impl Looked {
    fn failed(why: &str) -> Looked {
        Looked { v4: Err(why.to_string()), v6: Err(why.to_string()) }
    }
}

fn look_up_all(names: &[Name], bootstrap: &[SocketAddr]) -> io::Result<HashMap<Name, Looked>> {
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(async {
        // Made anew for each round: what it learns of its servers, or caches, must not outlive an outage.
        let resolver = Arc::new(resolver(bootstrap).map_err(io::Error::other)?);
        let mut lookups = JoinSet::new();
        for name in names {
            let (resolver, name) = (Arc::clone(&resolver), name.clone());
            lookups.spawn(async move {
                let found = look_up(&resolver, &name).await;
                (name, found)
            });
        }
        let mut found = HashMap::new();
        let collect = async {
            while let Some(looked) = lookups.join_next().await {
                found.extend(looked.ok());
            }
        };
        // What has not come by then has failed, and what came is kept.
        let _ = tokio::time::timeout(NAMES_WITHIN, collect).await;
        Ok(found)
    });
    runtime.shutdown_background();
    found
}

fn resolver(bootstrap: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let server = |address: &SocketAddr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = address.port();
            connection
        });
        NameServerConfig::new(address.ip(), true, connections.into())
    };
    let config = ResolverConfig::from_name_servers(bootstrap.iter().map(server).collect());
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = BOOTSTRAP_TIMEOUT;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.try_tcp_on_error = true;
    builder.build()
}

async fn look_up(resolver: &TokioResolver, name: &Name) -> Looked {
    let name = match HickoryName::from_ascii(format!("{name}.")) {
        Ok(name) => name,
        Err(error) => return Looked::failed(&error.to_string()),
    };
    let (v4, v6) = tokio::join!(
        resolver.lookup(name.clone(), RecordType::A),
        resolver.lookup(name.clone(), RecordType::AAAA)
    );
    Looked { v4: found(v4), v6: found(v6) }
}

fn found(looked: Result<hickory_resolver::lookup::Lookup, NetError>) -> Result<Found, String> {
    let lookup = match looked {
        Ok(lookup) => lookup,
        Err(error) if error.is_nx_domain() => return Err("there is no such name".to_string()),
        Err(error) if error.is_no_records_found() => {
            return Ok(Found { addresses: Vec::new(), ttl: NAME_KEPT_MAX });
        }
        Err(error) => return Err(words(&error)),
    };
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    let addresses: Vec<IpAddr> =
        lookup.answers().iter().filter_map(|record| address(&record.data)).filter(is_one_host).collect();
    // CNAMEs on the way count too.
    let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
    Ok(Found::of(addresses, Duration::from_secs(ttl.into())))
}

fn is_one_host(address: &IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

/// The library's own words, on one line.
fn words(error: &impl fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What targets written as names come to: their addresses, but never one of our own listeners.
pub fn sockets(names: &Names, name: &Name, port: u16, config: &Config) -> Vec<SocketAddr> {
    let all = names.addresses(name).into_iter().map(|ip| SocketAddr::new(ip, port));
    all.filter(|address| !config::is_this_server(*address, &config.server.listen)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(addresses: &[&str], ttl: u64) -> Result<Found, String> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Ok(Found { addresses, ttl: Duration::from_secs(ttl) })
    }

    fn known(now: Instant) -> (Known, Name) {
        (Known::new(now), Name::parse("ns.example").unwrap())
    }

    #[test]
    fn failures_keep_what_was_good() {
        let now = Instant::now();
        let (mut known, name) = known(now);
        let both = Looked { v4: found(&["192.0.2.1", "192.0.2.2"], 60), v6: found(&["2001:db8::1"], 30) };
        assert!(known.take(&name, both, now));
        assert_eq!((known.due - now, known.addresses().len()), (Duration::from_secs(30), 3));
        for (looked, failures) in [
            (Looked::failed("no answer"), 1),
            (Looked { v4: found(&[], 0), v6: found(&[], 0) }, 2),
            (Looked { v4: found(&["192.0.2.1", "192.0.2.2"], 60), v6: Err("SERVFAIL".into()) }, 3),
        ] {
            assert!(!known.take(&name, looked, now));
            assert_eq!((known.failures, known.failed_in_a_row), (failures, failures as u32));
            assert_eq!(known.due - now, Duration::from_secs(5 * 2u64.pow(failures as u32 - 1)));
            assert!(known.failure.is_some());
        }
        for _ in 0..40 {
            known.take(&name, Looked::failed("no answer"), now);
        }
        assert_eq!(known.due - now, NAME_RETRY_MAX);
        // One family that is gone while the other is there is taken at its word.
        assert!(known.take(&name, Looked { v4: found(&["192.0.2.1"], 9), v6: found(&[], 3600) }, now));
        assert_eq!(known.addresses(), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!((known.changes, known.failed_in_a_row, &known.failure), (1, 0, &None));
    }

    #[test]
    fn times_and_numbers_have_bounds() {
        let now = Instant::now();
        let (mut known, name) = known(now);
        for (ttl, kept) in [(0, 5), (5, 5), (70, 70), (1_000_000, 3600)] {
            let looked = Looked { v4: found(&["192.0.2.1"], ttl), v6: found(&[], 1_000_000) };
            known.take(&name, looked, now);
            assert_eq!((known.due - now).as_secs(), kept, "TTL {ttl}");
        }
        let many: Vec<String> = (0..200).map(|host| format!("192.0.2.{host}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        known.take(&name, Looked { v4: found(&many, 60), v6: found(&[], 60) }, now);
        assert_eq!(known.addresses().len(), ADDRESSES_PER_NAME);
    }
}
