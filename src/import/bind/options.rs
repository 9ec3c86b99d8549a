//! The options that have a key of ours: what to keep and for how long, and the bounds of the server.

use super::translation::{Refusal, Scope, Translation};
use super::tree::Statement;
use super::value;
use crate::config::units::{format_duration, format_size};
use crate::import::Outcome;
use crate::import::draft::{Value, set};
use std::time::Duration;

/// Bounds of our keys, in seconds; the schema has the reasons.
const MAX_TTL: u32 = 7 * 86_400;
const MAX_MIN_TTL: u32 = 3_600;
const MAX_STALE_TTL: u32 = 3_600;
/// Milliseconds.
const MAX_STALE_AFTER: u32 = 1_900;

/// Options that other files translate, with the zones or views that they are about.
pub(super) const ELSEWHERE: [&str; 14] = [
    "recursion",
    "forwarders",
    "forward",
    "allow-query",
    "allow-recursion",
    "allow-query-cache",
    "allow-transfer",
    "allow-update",
    "allow-update-forwarding",
    "also-notify",
    "notify",
    "allow-notify",
    "empty-zones-enable",
    "disable-empty-zone",
];
/// Options that this file translates.
#[cfg(test)]
pub(super) const HERE: [&str; 20] = [
    "directory",
    "listen-on",
    "listen-on-v6",
    "port",
    "blackhole",
    "max-cache-ttl",
    "max-ncache-ttl",
    "min-cache-ttl",
    "min-ncache-ttl",
    "max-cache-size",
    "stale-answer-enable",
    "stale-cache-enable",
    "stale-answer-ttl",
    "max-stale-ttl",
    "stale-answer-client-timeout",
    "prefetch",
    "tcp-clients",
    "tcp-idle-timeout",
    "max-udp-size",
    "include",
];

impl<'a> Translation<'a> {
    pub fn server_options(&mut self) {
        for statement in self.options {
            let name = statement.name();
            if !ELSEWHERE.contains(&name.as_str()) && !self.by_fate(statement) {
                self.option(statement);
            }
        }
        self.listeners();
        self.order_of_ttls();
        let scope = Scope { view: None, options: self.options };
        if scope.find("stale-answer-enable").is_none() {
            let what = "expired answers are given when no target answers, which BIND does not do unless told to; \
                        serve_stale = false in [cache] has it so";
            let place = self.options_place();
            self.implied(&place, "stale-answer-enable no", Outcome::Changed { what: what.to_owned() });
        }
        if scope.find("dnssec-validation").is_none() {
            let what = "answers are not validated here, as BIND's default has it: signatures and the AD bit pass \
                        through as targets give them; ask targets that validate";
            let place = self.options_place();
            self.implied(&place, "dnssec-validation auto", Outcome::Changed { what: what.to_owned() });
        }
    }

    fn option(&mut self, statement: &'a Statement) {
        match statement.name().as_str() {
            "directory" => self.not_needed(statement, "relative paths were resolved by it"),
            // Of `listen-on`, which says the port too.
            "listen-on" | "listen-on-v6" | "port" => {}
            "blackhole" => self.blackhole(statement),
            "max-udp-size" => self.max_udp_size(statement),
            "tcp-clients" => self.bounded(statement, "tcp_connections", 1, 65_536),
            "tcp-idle-timeout" => self.tcp_idle_timeout(statement),
            _ => self.cache_option(statement),
        }
    }

    /// One of the options about what is kept; they may stand in views too, where they are refused.
    pub fn cache_option(&mut self, statement: &Statement) {
        match statement.name().as_str() {
            "max-cache-ttl" => self.ttl(statement, "max_ttl", MAX_TTL),
            "max-ncache-ttl" => self.ttl(statement, "max_negative_ttl", MAX_TTL),
            "min-cache-ttl" => self.ttl(statement, "min_ttl", MAX_MIN_TTL),
            "stale-answer-ttl" => self.ttl(statement, "stale_ttl", MAX_STALE_TTL),
            "max-stale-ttl" => self.ttl(statement, "max_stale", MAX_TTL),
            "min-ncache-ttl" => {
                let why = "answers that say there is nothing are kept for their own TTL, without a least one";
                self.refused(statement, Refusal::new(why, "leave it out"));
            }
            "max-cache-size" => self.cache_size(statement),
            "stale-answer-enable" => self.cache_flag(statement, "serve_stale"),
            "stale-cache-enable" => match value::flag(statement.first_word()) {
                Some(true) => {
                    self.not_needed(statement, "expired answers stay in the cache while there is room")
                }
                _ => self.cache_flag(statement, "serve_stale"),
            },
            "stale-answer-client-timeout" => self.stale_after(statement),
            "prefetch" => self.prefetch(statement),
            _ => {
                let why = "nothing of it is known here";
                self.refused(statement, Refusal::new(why, "see whether dnsfwd.toml has a key for it"));
            }
        }
    }

    fn cache_set(&mut self, statement: &Statement, key: &'static str, value: Value) {
        set(&mut self.draft.cache, key, value, &statement.place);
    }

    fn ttl(&mut self, statement: &Statement, key: &'static str, most: u32) {
        let seconds = value::duration(statement.first_word()).unwrap_or(0);
        let kept = seconds.min(most);
        self.cache_set(statement, key, Value::Text(shown_seconds(kept)));
        match kept == seconds {
            true => self.translated(statement, format!("[cache] {key}")),
            false => {
                let what = format!("[cache] {key} is {}, the most that is taken", shown_seconds(kept));
                self.changed(statement, what);
            }
        }
    }

    /// `check` wants the least TTL below the largest one.
    fn order_of_ttls(&mut self) {
        let seconds = |name: &str| {
            super::translation::named(self.options, name)
                .and_then(|found| value::duration(found.first_word()))
        };
        let (least, most) = (seconds("min-cache-ttl"), seconds("max-cache-ttl"));
        let most = most.unwrap_or(86_400);
        if let Some(setting) = self.draft.cache.iter().find(|setting| setting.key == "min_ttl").cloned()
            && least.is_some_and(|least| least > most)
        {
            self.draft.cache.retain(|setting| setting.key != "min_ttl");
            let what = "[cache] min_ttl is left out, as it is larger than max_ttl";
            self.implied(
                &setting.from,
                "min-cache-ttl above max-cache-ttl",
                Outcome::Changed { what: what.to_owned() },
            );
        }
    }

    fn cache_flag(&mut self, statement: &Statement, key: &'static str) {
        let flag = value::flag(statement.first_word()).unwrap_or(false);
        self.cache_set(statement, key, Value::Flag(flag));
        self.translated(statement, format!("[cache] {key}"));
    }

    fn stale_after(&mut self, statement: &Statement) {
        let text = statement.first_word();
        let milliseconds = value::integer(text);
        let shown = match milliseconds {
            None => "off".to_owned(),
            Some(number) => format_duration(Duration::from_millis(number.min(MAX_STALE_AFTER).into())),
        };
        self.cache_set(statement, "stale_after", Value::Text(shown.clone()));
        match milliseconds.is_some_and(|number| number > MAX_STALE_AFTER) {
            true => {
                self.changed(statement, format!("[cache] stale_after is {shown}, the most that is taken"))
            }
            false => self.translated(statement, "[cache] stale_after"),
        }
    }

    fn prefetch(&mut self, statement: &Statement) {
        let trigger = value::integer(statement.first_word()).unwrap_or(0);
        self.cache_set(statement, "prefetch", Value::Flag(trigger > 0));
        match trigger {
            0 => self.translated(statement, "[cache] prefetch"),
            _ => self.changed(
                statement,
                "[cache] prefetch: what is asked often is asked anew before its TTL is over; when exactly is not \
                 set by seconds",
            ),
        }
    }

    /// The cache's least and largest sizes are the schema's.
    fn cache_size(&mut self, statement: &Statement) {
        const SIZES: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 40;
        let size = value::size(statement.first_word());
        match size {
            None => {
                let what = "the cache takes 256MiB unless [cache] size says otherwise: it has a size in octets, not \
                            a share of the machine's memory";
                self.changed(statement, what);
            }
            // BIND takes 0 for no bound, and raises what is below 2 MiB to that.
            Some(0) => {
                self.changed(statement, "the cache always has a bound: 256MiB unless [cache] size says so")
            }
            Some(size) => {
                let kept = size.clamp(2 << 20, *SIZES.end());
                self.cache_set(statement, "size", Value::Text(format_size(kept)));
                match kept == size {
                    true => self.translated(statement, "[cache] size"),
                    false => self.changed(statement, format!("[cache] size is {}", format_size(kept))),
                }
            }
        }
    }

    fn max_udp_size(&mut self, statement: &Statement) {
        // BIND brings it within 512 and 4096 too.
        let size = value::integer(statement.first_word()).unwrap_or(1232).clamp(512, 4096);
        set(&mut self.draft.server, "max_udp_size", Value::Number(size.into()), &statement.place);
        self.translated(statement, "[server] max_udp_size");
    }

    fn bounded(&mut self, statement: &Statement, key: &'static str, least: u32, most: u32) {
        let number = value::integer(statement.first_word()).unwrap_or(least);
        let kept = number.clamp(least, most);
        set(&mut self.draft.server, key, Value::Number(kept.into()), &statement.place);
        match kept == number {
            true => self.translated(statement, format!("[server] {key}")),
            false => self.changed(statement, format!("[server] {key} is {kept}")),
        }
    }

    /// In tenths of a second.
    fn tcp_idle_timeout(&mut self, statement: &Statement) {
        let tenths = value::integer(statement.first_word()).unwrap_or(300);
        let kept = tenths.clamp(10, 6000);
        let shown = format_duration(Duration::from_millis(u64::from(kept) * 100));
        set(&mut self.draft.server, "tcp_idle_timeout", Value::Text(shown.clone()), &statement.place);
        match kept == tenths {
            true => self.translated(statement, "[server] tcp_idle_timeout"),
            false => self.changed(statement, format!("[server] tcp_idle_timeout is {shown}")),
        }
    }

    fn blackhole(&mut self, statement: &'a Statement) {
        match self.access_list(statement.body()) {
            Ok(clients) if clients == ["none"] => self.not_needed(statement, "it names nobody"),
            Ok(clients) => {
                let why = "clients that may not ask get REFUSED, and not silence; and targets are asked whatever their \
                           network";
                let what_to_do = format!(
                    "put \"!\" and each of these before the rest of `allow` in [server], or drop their packets with a \
                     firewall: {}",
                    clients.join(", ")
                );
                self.refused(statement, Refusal::new(why, what_to_do));
            }
            Err(refusal) => self.refused(statement, refusal),
        }
    }
}

fn shown_seconds(seconds: u32) -> String {
    format_duration(Duration::from_secs(seconds.into()))
}
