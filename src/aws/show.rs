//! A plan for people: what becomes of each thing and why, what is left alone, what stands in the way, what it costs.

use std::fmt::Write;

use super::plan::{Action, Change, Field, Plan, ThingKind};

/// The whole plan as text; with ANSI colours if asked.
pub fn show(plan: &Plan, is_coloured: bool) -> String {
    let mut page = Page { text: String::new(), is_coloured };
    page.plan(plan);
    page.text
}

struct Page {
    text: String,
    is_coloured: bool,
}

#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Red,
    Green,
    Yellow,
}

impl Page {
    fn plan(&mut self, plan: &Plan) {
        let title = format!(
            "Plan for account {} in {} (owner {})",
            plan.world.account, plan.world.region, plan.owner
        );
        let title = self.ink(Ink::Bold, &title);
        self.line(&title);
        for change in &plan.changes {
            self.change(change);
        }
        self.left_alone(plan);
        self.obstacles(plan);
        self.line("");
        self.line(&cost(plan));
        let summary = self.ink(Ink::Bold, &summary(plan));
        self.line(&summary);
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Bold => "1",
            Ink::Red => "31",
            Ink::Green => "32",
            Ink::Yellow => "33",
        };
        if self.is_coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn change(&mut self, change: &Change) {
        let (sign, ink) = sign(change.action);
        let sign = self.ink(ink, &format!("{sign:>3}"));
        let mut line = format!("{sign} {} {}", word(change.kind), change.name);
        if let Some(id) = change.id.as_ref().filter(|id| **id != change.name) {
            // Writing to a string can't fail.
            let _ = write!(line, " ({id})");
        }
        self.line("");
        self.line(&line);
        self.line(&format!("      {}", change.reason));
        for field in &change.fields {
            self.field(field);
        }
    }

    fn field(&mut self, field: &Field) {
        let name = &field.name;
        let line = match (&field.from, &field.to) {
            (Some(from), Some(to)) => self.ink(Ink::Yellow, "~") + &format!(" {name}: {from} → {to}"),
            (None, Some(to)) => self.ink(Ink::Green, "+") + &format!(" {name}: {to}"),
            (Some(from), None) => self.ink(Ink::Red, "-") + &format!(" {name}: {from}"),
            (None, None) => format!("  {name}"),
        };
        let mark = if field.is_immutable { self.ink(Ink::Red, " (immutable)") } else { String::new() };
        self.line(&format!("      {line}{mark}"));
    }

    fn left_alone(&mut self, plan: &Plan) {
        if plan.left_alone.is_empty() {
            return;
        }
        self.line("");
        self.line("Left alone, as it isn't ours:");
        for thing in &plan.left_alone {
            let name = match thing.name.as_str() {
                "" => String::new(),
                name if name == thing.id => String::new(),
                name => format!(" ({name})"),
            };
            self.line(&format!("    {} {}{name}: {}", word(thing.kind), thing.id, thing.about));
        }
    }

    fn obstacles(&mut self, plan: &Plan) {
        if plan.obstacles.is_empty() {
            return;
        }
        self.line("");
        self.line("In the way:");
        for obstacle in &plan.obstacles {
            let mark = self.ink(Ink::Red, "  !");
            self.line(&format!("{mark} {}", obstacle.about));
            self.line(&format!("      {}", obstacle.help));
        }
    }
}

/// What becomes of a thing, in a sign.
pub fn mark(action: Action) -> &'static str {
    sign(action).0
}

fn sign(action: Action) -> (&'static str, Ink) {
    match action {
        Action::Create => ("+", Ink::Green),
        Action::Change => ("~", Ink::Yellow),
        Action::Replace => ("-/+", Ink::Red),
        Action::Delete => ("-", Ink::Red),
        Action::Wait => ("..", Ink::Yellow),
    }
}

/// Of the kind, for people.
pub fn word(kind: ThingKind) -> &'static str {
    match kind {
        ThingKind::SecurityGroup => "security group",
        ThingKind::Endpoint => "endpoint",
        ThingKind::Rule => "rule",
        ThingKind::Association => "association",
        ThingKind::Share => "share",
        ThingKind::QueryLog => "query log",
        ThingKind::Vpc => "VPC",
        ThingKind::ClientVpn => "Client VPN",
    }
}

fn cost(plan: &Plan) -> String {
    let dollars = |amount: f64| format!("${amount:.2}");
    let (before, after) = (dollars(plan.cost.before), dollars(plan.cost.after));
    let cost = if before == after { after } else { format!("{before} → {after}") };
    format!("Cost a month: {cost} for network interfaces; queries are paid beside it, and aren't known.")
}

fn summary(plan: &Plan) -> String {
    let counts = [
        (Action::Create, "to create"),
        (Action::Change, "to change"),
        (Action::Replace, "to replace"),
        (Action::Delete, "to delete"),
        (Action::Wait, "to wait for"),
    ];
    let count = |action: Action| plan.changes.iter().filter(|change| change.action == action).count();
    let counts = counts.into_iter().map(|(action, words)| (count(action), words));
    let counts: Vec<String> =
        counts.filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
    let mut summary = match counts.is_empty() {
        true if plan.obstacles.is_empty() => "Nothing to do: AWS is as the file wants it.".to_owned(),
        true => "Plan: nothing.".to_owned(),
        false => format!("Plan: {}.", counts.join(", ")),
    };
    match plan.obstacles.len() {
        0 => {}
        1 => summary.push_str(" It can't be applied: something is in the way."),
        count => {
            // Writing to a string can't fail.
            let _ = write!(summary, " It can't be applied: {count} things are in the way.");
        }
    }
    summary
}
