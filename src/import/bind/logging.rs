//! `logging`: what BIND logs where, beside the one log of this server.

use super::translation::{Refusal, Translation, named};
use super::tree::{Item, Statement};

impl<'a> Translation<'a> {
    pub fn logging(&mut self, logging: &'a Statement) {
        for statement in logging.body() {
            match statement.name().as_str() {
                "category" => self.category(statement),
                _ => self.channel(statement),
            }
        }
        if logging.body().is_empty() {
            self.not_needed(logging, "it says nothing");
        }
    }

    fn channel(&mut self, channel: &Statement) {
        if named(channel.body(), "null").is_some() {
            return self.not_needed(channel, "nothing is written there");
        }
        self.changed(
            channel,
            "dnsfwd logs to standard error, which journald keeps, rotates and hands on (journalctl -u dnsfwd); \
             [log] has its level and format",
        );
    }

    fn category(&mut self, category: &Statement) {
        let name = category.first_word().to_ascii_lowercase();
        let channels =
            category.body().iter().filter_map(|channel| channel.items.first().and_then(Item::text));
        if channels.clone().all(|channel| channel.eq_ignore_ascii_case("null")) {
            return self.not_needed(category, "nothing of it is written");
        }
        match name.as_str() {
            "queries" | "responses" | "query-errors" | "dnstap" | "rpz" | "rpz-passthru" => {
                let why = "there is no log of single queries";
                let what_to_do =
                    "count with the metrics; `dnsfwd explain NAME` tells what becomes of a question";
                self.refused(category, Refusal::new(why, what_to_do));
            }
            _ => self.changed(category, "all that is logged goes to one log; there are no categories"),
        }
    }
}
