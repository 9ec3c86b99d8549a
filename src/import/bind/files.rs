//! Reads `named.conf` and what it includes, holds every statement against the grammar, and gives one tree in which
//! included statements stand where the `include` stood.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Version;
use super::grammar::{self, In, Row, Times};
use super::lexer::fault;
use super::shape::{Args, ended};
use super::tree::{self, Item, ItemKind, Statement};
use crate::import::{Place, Unreadable, read_file};
use crate::limits::{IMPORT_FILES, IMPORT_INCLUDE_DEPTH, IMPORT_TOTAL};

/// All statements at the top, and where relative paths begin.
pub struct Whole {
    pub statements: Vec<Statement>,
    /// What `directory` says, if it is written.
    pub directory: Option<PathBuf>,
}

pub fn read(source: &Path, version: Version) -> Result<Whole, Unreadable> {
    let home = source.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut reader = Reader { version, home, directory: None, depth: 0, files: 0, octets: 0 };
    let name = reader.shown(source);
    let at = Place { file: name, line: 1, column: 1 };
    let text = reader.load(source, &at)?;
    let statements = reader.map(tree::read(&at.file, &text)?, In::TOP)?;
    Ok(Whole { statements, directory: reader.directory })
}

struct Reader {
    version: Version,
    /// The folder of the first file.
    home: PathBuf,
    directory: Option<PathBuf>,
    depth: usize,
    files: usize,
    octets: u64,
}

/// Where each statement that may stand once stands in one pair of braces.
type Seen = HashMap<String, Place>;

impl Reader {
    /// A file as messages name it.
    fn shown(&self, path: &Path) -> Arc<str> {
        let inside = path.strip_prefix(&self.home).unwrap_or(path);
        inside.display().to_string().into()
    }

    fn load(&mut self, path: &Path, at: &Place) -> Result<String, Unreadable> {
        let octets = read_file(path).map_err(|why| {
            let message = format!("can't read {}: {why}", path.display());
            fault(at, message, "correct the path, or who may read the file")
        })?;
        self.files += 1;
        self.octets += octets.len() as u64;
        if self.files > IMPORT_FILES || self.octets > IMPORT_TOTAL {
            let message =
                format!("more than {IMPORT_FILES} files, or {} MiB, are included", IMPORT_TOTAL >> 20);
            return Err(fault(at, message, "does a file include itself?"));
        }
        Ok(String::from_utf8(octets)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Statements of one pair of braces, or of the top.
    fn map(&mut self, statements: Vec<Statement>, place: In) -> Result<Vec<Statement>, Unreadable> {
        let mut whole = Vec::with_capacity(statements.len());
        self.gather(statements, place, &mut Seen::new(), &mut whole)?;
        Ok(whole)
    }

    fn gather(
        &mut self,
        statements: Vec<Statement>,
        place: In,
        seen: &mut Seen,
        whole: &mut Vec<Statement>,
    ) -> Result<(), Unreadable> {
        for statement in statements {
            ended(&statement)?;
            let name = statement.name();
            let bare = statement.items[0].word().is_some_and(|word| !word.quoted);
            if !bare {
                return Err(fault(&statement.place, "a statement begins with a word", "write its name"));
            }
            if name == "include" {
                self.include(&statement, place, seen, whole)?;
                continue;
            }
            let Some(row) = grammar::find(&name, place, self.version) else {
                return Err(unknown(&statement, &name, place));
            };
            if row.times == Times::Once
                && let Some(first) = seen.insert(name.clone(), statement.place.clone())
            {
                let message = format!("`{name}` stands here a second time; the first is at {first}");
                return Err(fault(&statement.place, message, "keep one of the two"));
            }
            let statement = self.statement(statement, row)?;
            if row.name == "directory" {
                let folder = Path::new(statement.first_word());
                self.directory = Some(self.base().join(folder));
            }
            whole.push(statement);
        }
        Ok(())
    }

    fn statement(&mut self, mut statement: Statement, row: Row) -> Result<Statement, Unreadable> {
        let Some(inside) = row.inside else {
            let mut args = Args::new(statement.arguments(), &statement.end, self.version);
            (row.shape)(&mut args)?;
            args.done()?;
            return Ok(statement);
        };
        let end = statement.end.clone();
        let Some(Item { kind: ItemKind::Group(body), .. }) =
            statement.items.last_mut().filter(|item| item.group().is_some())
        else {
            let mut args = Args::new(statement.arguments(), &end, self.version);
            (row.shape)(&mut args)?;
            return Err(args.expected("{"));
        };
        let body = std::mem::take(body);
        let last = statement.items.len() - 1;
        let brace = statement.items[last].place.clone();
        // A name alone has no arguments before its braces.
        let mut args = Args::new(&statement.items[1.min(last)..last], &brace, self.version);
        (row.shape)(&mut args)?;
        args.done()?;
        let body = self.map(body, inside)?;
        statement.items[last].kind = ItemKind::Group(body);
        Ok(statement)
    }

    /// Where relative paths begin. BIND takes the folder it was started in until `directory` is read; nobody knows it
    /// here, and the file's own folder is what is meant.
    fn base(&self) -> &Path {
        self.directory.as_deref().unwrap_or(&self.home)
    }

    fn include(
        &mut self,
        statement: &Statement,
        place: In,
        seen: &mut Seen,
        whole: &mut Vec<Statement>,
    ) -> Result<(), Unreadable> {
        let mut args = Args::new(statement.arguments(), &statement.end, self.version);
        args.quoted()?;
        args.done()?;
        let at = &statement.items[1].place;
        if self.depth == IMPORT_INCLUDE_DEPTH {
            let message = format!("files are included {IMPORT_INCLUDE_DEPTH} levels deep");
            return Err(fault(at, message, "does a file include itself?"));
        }
        self.depth += 1;
        for path in self.matching(statement.first_word(), at)? {
            let text = self.load(&path, at)?;
            let inner = tree::read(&self.shown(&path), &text)?;
            self.gather(inner, place, seen, whole)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// The files of an `include`, in the order of their names if it is a pattern.
    fn matching(&self, text: &str, at: &Place) -> Result<Vec<PathBuf>, Unreadable> {
        if !text.contains(['*', '?', '[']) {
            return Ok(vec![self.existing(text)]);
        }
        let pattern = self.base().join(text).display().to_string();
        let none = |why: &str| fault(at, format!("`{pattern}`: {why}"), "correct the pattern");
        let paths = glob::glob(&pattern).map_err(|error| none(error.msg))?;
        let paths: Vec<PathBuf> = paths.filter_map(Result::ok).take(IMPORT_FILES).collect();
        match paths.is_empty() {
            true => Err(none("no file has such a name")),
            false => Ok(paths),
        }
    }

    /// Beside the first file, if it is not where `directory` says: configurations are copied before they are moved.
    fn existing(&self, text: &str) -> PathBuf {
        let path = self.base().join(text);
        let beside = self.home.join(text);
        if !path.exists() && beside.exists() { beside } else { path }
    }
}

fn unknown(statement: &Statement, name: &str, place: In) -> Unreadable {
    let message = format!("BIND knows no statement `{name}` in {}", place.title());
    let help = grammar::elsewhere(name, place)
        .unwrap_or_else(|| "correct the word; statements of old versions have to be taken out".to_owned());
    fault(&statement.place, message, help)
}
