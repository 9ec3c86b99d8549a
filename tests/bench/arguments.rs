//! `--name value` and `--name`, for the two programs here; an unknown one ends the program.

use std::str::FromStr;

pub struct Arguments {
    given: Vec<String>,
    usage: &'static str,
}

impl Arguments {
    pub fn new(usage: &'static str) -> Arguments {
        let given: Vec<String> = std::env::args().skip(1).collect();
        let known: Vec<&str> = usage.split_whitespace().filter(|word| word.starts_with("--")).collect();
        let arguments = Arguments { given, usage };
        let unknown =
            arguments.given.iter().find(|word| word.starts_with("--") && !known.contains(&word.as_str()));
        if let Some(word) = unknown {
            arguments.fail(&format!("unknown option {word}"));
        }
        arguments
    }

    pub fn flag(&self, name: &str) -> bool {
        self.given.iter().any(|word| word == name)
    }

    pub fn value<T: FromStr>(&self, name: &str) -> Option<T> {
        let at = self.given.iter().position(|word| word == name)?;
        let Some(word) = self.given.get(at + 1) else { self.fail(&format!("{name} needs a value")) };
        match word.parse() {
            Ok(value) => Some(value),
            Err(_) => self.fail(&format!("{name} can't be {word}")),
        }
    }

    pub fn or<T: FromStr>(&self, name: &str, default: T) -> T {
        self.value(name).unwrap_or(default)
    }

    pub fn fail(&self, fault: &str) -> ! {
        eprintln!("{fault}\n{}", self.usage);
        std::process::exit(2);
    }
}
