//! A Corefile as lines of words with what their braces hold; snippets, files and environment variables in their place.
//! Knows no plugin.

use std::collections::HashMap;
use std::path::Path;

use crate::import::reading::{File, Files, fault};
use crate::import::{Options, Place, Unreadable};
use crate::limits::{IMPORT_NESTING, IMPORT_STATEMENTS};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub place: Place,
}

/// A line of words, and the lines between its braces.
#[derive(Clone, Debug)]
pub struct Node {
    pub words: Vec<Word>,
    pub block: Option<Vec<Node>>,
}

impl Node {
    pub fn place(&self) -> &Place {
        &self.words[0].place
    }

    pub fn name(&self) -> &str {
        &self.words[0].text
    }

    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(|word| word.text.as_str())
    }

    pub fn lines(&self) -> &[Node] {
        self.block.as_deref().unwrap_or_default()
    }

    /// As written, without what is between the braces.
    pub fn text(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| word.text.as_str()).collect();
        let more = if self.block.is_some() { " { ... }" } else { "" };
        format!("{}{more}", words.join(" "))
    }
}

/// A token with whether it is the first of its line.
struct Token {
    word: Word,
    quoted: bool,
    begins_line: bool,
}

/// Server blocks: addresses, and plugins between the braces.
pub fn read(source: &Path, files: &mut Files, options: &Options) -> Result<Vec<Node>, Unreadable> {
    let file = files.first(source)?;
    let mut reader = Reader { files, options, snippets: HashMap::new(), nodes: 0 };
    let blocks = reader.file(&file, 0)?;
    reader.blocks(blocks)
}

struct Reader<'a> {
    files: &'a mut Files,
    options: &'a Options,
    snippets: HashMap<String, Vec<Node>>,
    nodes: usize,
}

impl Reader<'_> {
    /// All lines of a file, with what it imports.
    fn file(&mut self, file: &File, depth: usize) -> Result<Vec<Node>, Unreadable> {
        let tokens = self.tokens(file)?;
        let mut rest = tokens.into_iter().peekable();
        let nodes = self.lines(&mut rest, None, 0)?;
        self.imported(nodes, depth, true)
    }

    fn tokens(&self, file: &File) -> Result<Vec<Token>, Unreadable> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut rest = file.text.char_indices().peekable();
        let (mut line, mut column, mut begins_line) = (1, 0, true);
        while let Some((at, c)) = rest.next() {
            column += 1;
            let place = Place { file: file.name.clone(), line, column };
            match c {
                '\n' => (line, column, begins_line) = (line + 1, 0, true),
                c if c.is_whitespace() => {}
                '#' => while rest.next_if(|(_, c)| *c != '\n').is_some() {},
                '"' => {
                    let mut text = String::new();
                    let mut closed = false;
                    let mut escaped = false;
                    for (_, c) in rest.by_ref() {
                        column += 1;
                        if c == '\n' {
                            (line, column) = (line + 1, 0);
                        }
                        match c {
                            '"' if escaped => {
                                text.pop();
                                text.push('"');
                                escaped = false;
                            }
                            '"' => {
                                closed = true;
                                break;
                            }
                            c => {
                                escaped = c == '\\' && !escaped;
                                text.push(c);
                            }
                        }
                    }
                    if !closed {
                        return Err(fault(
                            &place,
                            "this quotation has no end",
                            "close it with a quotation mark",
                        ));
                    }
                    tokens.push(Token { word: Word { text, place }, quoted: true, begins_line });
                    begins_line = false;
                }
                _ => {
                    let mut end = at + c.len_utf8();
                    while let Some((_, c)) = rest.next_if(|(_, c)| !c.is_whitespace() && *c != '#') {
                        end += c.len_utf8();
                        column += 1;
                    }
                    let text = self.expanded(&file.text[at..end], &place)?;
                    tokens.push(Token { word: Word { text, place }, quoted: false, begins_line });
                    begins_line = false;
                }
            }
        }
        Ok(tokens)
    }

    /// `{$NAME}` and `{%NAME%}` as the environment has them.
    fn expanded(&self, text: &str, place: &Place) -> Result<String, Unreadable> {
        let mut text = text.to_owned();
        for (open, close) in [("{$", "}"), ("{%", "%}")] {
            let mut from = 0;
            while let Some(begin) = text[from..].find(open).map(|at| at + from) {
                let Some(length) = text[begin + open.len()..].find(close) else { break };
                let name = text[begin + open.len()..][..length].to_owned();
                let value = match &self.options.environment {
                    Some(environment) => environment.get(&name).cloned(),
                    None if name.is_empty() || name.contains(['=', '\0']) => None,
                    None => std::env::var(&name).ok(),
                };
                let Some(value) = value else {
                    let message = format!("the environment has no variable `{name}`");
                    return Err(fault(place, message, "set it as CoreDNS has it, and import again"));
                };
                text.replace_range(begin..begin + open.len() + length + close.len(), &value);
                from = begin + value.len();
            }
        }
        Ok(text)
    }

    fn lines(
        &mut self,
        rest: &mut std::iter::Peekable<std::vec::IntoIter<Token>>,
        open: Option<&Place>,
        depth: usize,
    ) -> Result<Vec<Node>, Unreadable> {
        let mut nodes: Vec<Node> = Vec::new();
        // Addresses go on behind a comma.
        let goes_on = |nodes: &[Node]| {
            depth == 0
                && nodes.last().is_some_and(|node| {
                    node.block.is_none() && node.words.last().is_some_and(|word| word.text.ends_with(','))
                })
        };
        while let Some(token) = rest.next() {
            let is_brace = |brace: &str| !token.quoted && token.word.text == brace;
            if is_brace("}") {
                return match open {
                    Some(_) => Ok(nodes),
                    None => Err(fault(
                        &token.word.place,
                        "this brace closes nothing",
                        "remove it, or open it before",
                    )),
                };
            }
            if is_brace("{") {
                let Some(node) = nodes
                    .last_mut()
                    .filter(|node| node.block.is_none() && (!token.begins_line || depth == 0))
                else {
                    let help = "write it at the end of the line that it belongs to";
                    return Err(fault(&token.word.place, "this brace belongs to no line", help));
                };
                if depth >= IMPORT_NESTING {
                    let message = format!("braces are {IMPORT_NESTING} levels deep");
                    return Err(fault(&token.word.place, message, "no plugin has so many"));
                }
                node.block = Some(Vec::new());
                let block = self.lines(rest, Some(&token.word.place), depth + 1)?;
                if let Some(node) = nodes.last_mut() {
                    node.block = Some(block);
                }
                continue;
            }
            let same_line = !token.begins_line || goes_on(&nodes);
            match nodes.last_mut().filter(|node| same_line && node.block.is_none()) {
                Some(node) => node.words.push(token.word),
                None => {
                    self.nodes += 1;
                    if self.nodes > IMPORT_STATEMENTS {
                        let message = format!("more than {IMPORT_STATEMENTS} lines");
                        return Err(fault(&token.word.place, message, "import its parts one by one"));
                    }
                    nodes.push(Node { words: vec![token.word], block: None });
                }
            }
        }
        match open {
            Some(open) => {
                Err(fault(open, "this brace is never closed", "close it with } on a line of its own"))
            }
            None => Ok(nodes),
        }
    }

    /// Puts snippets and files where `import` stands; a snippet is known from its place on.
    fn imported(&mut self, nodes: Vec<Node>, depth: usize, top: bool) -> Result<Vec<Node>, Unreadable> {
        let mut whole = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            let snippet = node.name().strip_prefix('(').and_then(|name| name.strip_suffix(')'));
            if let (true, Some(name), Some(block)) = (top, snippet, &node.block) {
                if self.snippets.insert(name.to_owned(), block.clone()).is_some() {
                    let message = format!("a second snippet `{name}`");
                    return Err(fault(node.place(), message, "give one of the two another name"));
                }
                continue;
            }
            if node.name() != "import" {
                if let Some(block) = node.block.take() {
                    node.block = Some(self.imported(block, depth, false)?);
                }
                whole.push(node);
                continue;
            }
            let place = node.place().clone();
            let depth = Files::deeper(depth, &place)?;
            let Some(pattern) = node.arguments().next().map(str::to_owned) else {
                return Err(fault(&place, "`import` names nothing", "write the name of a snippet or a file"));
            };
            if let Some(snippet) = self.snippets.get(&pattern).cloned() {
                self.nodes += snippet.len() + 1;
                if self.nodes > IMPORT_STATEMENTS {
                    let message = format!("more than {IMPORT_STATEMENTS} lines");
                    return Err(fault(&place, message, "does a snippet import itself?"));
                }
                whole.extend(self.imported(snippet, depth, false)?);
                continue;
            }
            let home = self.files.home().to_path_buf();
            let paths = self.files.matching(&home, &pattern, &place)?;
            for path in paths {
                let file = self.files.text(&path, &place)?;
                whole.extend(self.file(&file, depth)?);
            }
        }
        Ok(whole)
    }

    /// A file without braces around its plugins is one block, whose first line is its addresses.
    fn blocks(&self, mut nodes: Vec<Node>) -> Result<Vec<Node>, Unreadable> {
        let Some(first) = nodes.first() else { return Ok(nodes) };
        if first.block.is_none() {
            let mut first = nodes.remove(0);
            first.block = Some(nodes);
            return Ok(vec![first]);
        }
        match nodes.iter().find(|node| node.block.is_none()) {
            None => Ok(nodes),
            Some(node) => {
                let message = format!(
                    "`{}` stands outside of all server blocks",
                    crate::import::reading::shown(node.name())
                );
                Err(fault(node.place(), message, "write braces around the plugins of a server block"))
            }
        }
    }
}
