//! dnsmasq: its configuration with all that it includes, read as dnsmasq (2.90 is the version tested) reads it. Takes over what it does with
//! names; leases of its DHCP are no names that stand in a file.

mod lexer;
mod local;
mod options;
mod translate;

use std::path::Path;

use super::reading::{Files, fault};
use super::{Imported, Options, Place, Unreadable};
use crate::limits::IMPORT_STATEMENTS;
use lexer::Line;

/// Is this what dnsmasq's files are called? In lower case.
pub fn is_name(name: &str) -> bool {
    name.starts_with("dnsmasq") && name.contains("conf")
}

/// Are its lines options that dnsmasq knows?
pub fn is_text(text: &str) -> bool {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let known = |line: &str| options::find(line.split('=').next().unwrap_or_default().trim()).is_some();
    let mut lines = lines.take(20).peekable();
    lines.peek().is_some() && lines.all(known)
}

/// Reads a file and all that it includes.
pub fn import(source: &Path, options: &Options) -> Result<Imported, Unreadable> {
    let mut reader = Reader { files: Files::new(source), lines: Vec::new() };
    let first = Place { file: reader.files.shown(source), line: 1, column: 1 };
    reader.read(source, &first, 0, Only::All)?;
    let Reader { mut files, lines } = reader;
    translate::translate(&source.display().to_string(), &mut files, &lines, options)
}

struct Reader {
    files: Files,
    lines: Vec<Line>,
}

/// Which options a file may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    All,
    Servers,
}

impl Reader {
    fn read(&mut self, path: &Path, at: &Place, depth: usize, only: Only) -> Result<(), Unreadable> {
        let depth = Files::deeper(depth, at)?;
        let file = self.files.text(path, at)?;
        for line in lexer::read(&file)? {
            if only == Only::Servers && !matches!(line.name, "server" | "rev-server" | "local") {
                let message = format!("`{}` can't stand in a servers-file", line.name);
                return Err(fault(&line.place, message, "keep server= and rev-server= alone there"));
            }
            if self.lines.len() == IMPORT_STATEMENTS {
                let message = format!("more than {IMPORT_STATEMENTS} options");
                return Err(fault(&line.place, message, "import its parts one by one"));
            }
            self.lines.push(line.clone());
            self.include(&line, depth)?;
        }
        Ok(())
    }

    fn include(&mut self, line: &Line, depth: usize) -> Result<(), Unreadable> {
        let value = lexer::visible(line.value.as_deref().unwrap_or_default());
        let home = self.files.home().to_path_buf();
        match line.name {
            "conf-file" => {
                // A pattern without a match is nothing to dnsmasq.
                for path in self.files.matching(&home, &value, &line.place)? {
                    self.read(&path, &line.place, depth, Only::All)?;
                }
            }
            "servers-file" => {
                let path = self.files.find(&home, &value);
                self.read(&path, &line.place, depth, Only::Servers)?;
            }
            "conf-dir" => {
                let mut parts = value.split(',').map(str::trim);
                let folder = self.files.find(&home, parts.next().unwrap_or_default());
                let endings: Vec<&str> = parts.collect();
                for path in self.files.folder(&folder, &line.place, |name| is_read(name, &endings))? {
                    self.read(&path, &line.place, depth, Only::All)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Does `conf-dir` read a file of this name? `*.conf` names what is read, `.bak` what is not.
fn is_read(name: &str, endings: &[&str]) -> bool {
    if name.starts_with('.') || name.ends_with('~') || name.starts_with('#') && name.ends_with('#') {
        return false;
    }
    let (wanted, unwanted): (Vec<&str>, Vec<&str>) = endings
        .iter()
        .copied()
        .filter(|ending| !ending.is_empty())
        .partition(|ending| ending.starts_with('*'));
    let ends = |ending: &&str| name.len() > ending.len() && name.ends_with(*ending);
    let is_wanted = wanted.is_empty() || wanted.iter().any(|ending| ends(&ending.trim_start_matches('*')));
    is_wanted && !unwanted.iter().any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder() {
        assert!(is_read("a.conf", &[]) && is_read("a.conf", &["*.conf"]) && is_read("a.conf", &[".bak"]));
        assert!(!is_read("a.conf~", &[]) && !is_read(".a", &[]) && !is_read("#a#", &[]));
        assert!(!is_read("a.bak", &[".bak"]) && !is_read("a.txt", &["*.conf"]));
    }
}
