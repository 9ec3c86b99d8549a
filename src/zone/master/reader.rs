//! Reads entries one after another: directives, and records with their owner, TTL, class and type
//! (RFC 1035 section 5.1). Owns the bounds of reading; what records mean together is `build`'s to judge.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::wire::name::{self, Name};
use crate::wire::rdata::{class, rtype};

use super::codec;
use super::generate::{self, Range};
use super::lexer::{Lexer, Next, Token};
use super::rdata::{self, NAME_HELP, RdataFault, absolute, shown};
use super::types::{self, decimal, seconds, strip_prefix};
use crate::zone::report::{Place, Report};
use crate::zone::store::{Draft, TooLarge};

/// Octets of all files of a zone together: about 20 million records, and well within 32-bit places.
const MAX_TEXT: usize = 1 << 30;
/// Files open at once: the first and 15 levels of `$INCLUDE` in it.
const MAX_DEPTH: usize = 16;
/// Files read in all: without a bound, 16 levels that each include twice are 65,536.
const MAX_FILES: usize = 1_000;
/// Records of one `$GENERATE`: a /16 network.
const MAX_EXPANSIONS: usize = 65_536;
/// Records of all `$GENERATE`s of a zone.
const MAX_GENERATED: usize = 1_000_000;
/// Octets of text that they expand to: 256 for each.
const MAX_GENERATED_OCTETS: usize = 256 * MAX_GENERATED;
/// RFC 2181 section 8.
const MAX_TTL: u64 = (1 << 31) - 1;

/// The fault is in the report already; go on with the next entry.
struct Reported;

/// What an entry takes from those before it.
#[derive(Clone)]
struct Context {
    origin: Vec<u8>,
    default_ttl: Option<u32>,
    last_ttl: Option<u32>,
    owner: Owner,
}

#[derive(Clone, Copy)]
enum Owner {
    None,
    Node(u32),
    /// Its fault is reported; records that share it are read for theirs and then dropped.
    Bad,
}

/// A file that is being read.
struct Frame {
    file: u16,
    text: Rc<[u8]>,
    path: PathBuf,
    lexer: Lexer,
    context: Context,
}

/// A record's words after its owner.
struct Body<'t, 'a> {
    ttl: Option<u32>,
    rtype: u16,
    type_word: Token<'a>,
    data: &'t [Token<'a>],
    /// Made by `$GENERATE`: its words have no place of their own in the file.
    generated: bool,
}

struct Reader<'z> {
    zone: &'z Name,
    report: &'z mut Report,
    draft: &'z mut Draft,
    frames: Vec<Frame>,
    files: usize,
    octets: usize,
    generated: usize,
    generated_octets: usize,
    warned_about_ttl: bool,
    /// Nothing more can be taken in.
    full: bool,
    rdata: Vec<u8>,
}

/// Reads a zone's file and those it includes.
pub fn read_file(zone: &Name, path: &Path, draft: &mut Draft, report: &mut Report) {
    report.reads(path);
    match load(path, MAX_TEXT) {
        Ok(text) => read_text(zone, text, path, draft, report),
        Err(why) => {
            draft.lost = true;
            report.unreadable(path, "zone-file", format_args!("the zone's file {why}"), FILE_HELP);
        }
    }
}

/// Reads a zone from memory; included files are sought beside `path`.
pub fn read_text(zone: &Name, text: Rc<[u8]>, path: &Path, draft: &mut Draft, report: &mut Report) {
    if text.len() > MAX_TEXT {
        let message = format_args!("the zone's text has more than {MAX_TEXT} octets");
        draft.lost = true;
        return report.unreadable(path, "zone-too-large", message, "make several zones of it");
    }
    let context =
        Context { origin: zone.as_wire().to_vec(), default_ttl: None, last_ttl: None, owner: Owner::None };
    let mut reader = Reader {
        zone,
        report,
        draft,
        frames: Vec::new(),
        files: 0,
        octets: 0,
        generated: 0,
        generated_octets: 0,
        warned_about_ttl: false,
        full: false,
        rdata: Vec::new(),
    };
    let first = reader.frame(path, text, context).expect("the first file is within all bounds");
    reader.frames.push(first);
    reader.run();
}

const FILE_HELP: &str = "check the path and the permissions of the file and its folders";

/// A regular file's content; a device or a pipe might never end.
fn load(path: &Path, max: usize) -> Result<Rc<[u8]>, String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(max as u64 + 1).read_to_end(&mut text).map_err(cannot)?;
    if text.len() > max {
        return Err(format!("{} makes the zone's text longer than {MAX_TEXT} octets", path.display()));
    }
    Ok(text.into())
}

impl Reader<'_> {
    fn run(&mut self) {
        while let Some(mut frame) = self.frames.pop() {
            let included = self.read_until_include(&mut frame);
            if self.full {
                return;
            }
            if let Some(included) = included {
                // What the included file sets ends with it: its context is a copy.
                self.frames.push(frame);
                self.frames.push(included);
            }
        }
    }

    fn frame(&mut self, path: &Path, text: Rc<[u8]>, context: Context) -> Option<Frame> {
        let file = self.report.add_source(path, Rc::clone(&text))?;
        self.files += 1;
        self.octets += text.len();
        Some(Frame { file, lexer: Lexer::new(&text), text, path: path.to_owned(), context })
    }

    fn read_until_include(&mut self, frame: &mut Frame) -> Option<Frame> {
        let text = Rc::clone(&frame.text);
        let mut tokens = Vec::new();
        while !self.full {
            match frame.lexer.next(&text, &mut tokens) {
                Next::End => return None,
                Next::Fault(fault) => {
                    let (message, help) = fault.kind.explain();
                    let place = Place { file: frame.file, at: fault.at };
                    self.report.error(place, "zone-syntax", format_args!("{message}"), help);
                    frame.context.owner = Owner::Bad;
                    self.draft.lost = true;
                }
                Next::Entry { starts_blank } => {
                    let word = tokens[0];
                    if starts_blank || word.quoted || !word.text.starts_with(b"$") {
                        let _: Result<(), Reported> = self.record(frame, &tokens, starts_blank);
                    } else {
                        match self.directive(frame, &tokens) {
                            Ok(None) => {}
                            Ok(included) => return included,
                            Err(Reported) => self.draft.lost = true,
                        }
                    }
                }
            }
        }
        None
    }

    fn error(&mut self, place: Place, code: &str, message: std::fmt::Arguments<'_>, help: &str) -> Reported {
        self.report.error(place, code, message, help);
        Reported
    }

    fn too_large(&mut self, place: Place) -> Reported {
        self.full = true;
        self.draft.lost = true;
        let message = format_args!("the zone has more than 4 GiB of names and data; reading stops here");
        self.error(place, "zone-too-large", message, "make several zones of it")
    }

    // Directives.

    fn directive(&mut self, frame: &mut Frame, tokens: &[Token<'_>]) -> Result<Option<Frame>, Reported> {
        let word = tokens[0];
        let is = |directive: &str| word.text.eq_ignore_ascii_case(directive.as_bytes());
        if is("$INCLUDE") {
            return self.include(frame, tokens).map(Some);
        }
        if is("$ORIGIN") {
            let [name] = self.arguments(frame, tokens, "write '$ORIGIN name.'")?;
            frame.context.origin = self.name(frame, name)?;
        } else if is("$TTL") {
            let [ttl] = self.arguments(frame, tokens, "write '$TTL 3600' or '$TTL 1h'")?;
            frame.context.default_ttl = Some(self.ttl(frame, ttl)?);
        } else if is("$GENERATE") {
            self.generate(frame, tokens)?;
        } else {
            let message = format_args!("{} is not a directive", shown(word));
            let help = "there are $ORIGIN, $TTL, $INCLUDE and $GENERATE; a name that starts with '$' is written '\\$'";
            return Err(self.error(place(frame, word), "zone-directive", message, help));
        }
        Ok(None)
    }

    fn arguments<'a, const N: usize>(
        &mut self,
        frame: &Frame,
        tokens: &[Token<'a>],
        help: &str,
    ) -> Result<[Token<'a>; N], Reported> {
        match <[Token<'a>; N]>::try_from(&tokens[1..]) {
            Ok(arguments) => Ok(arguments),
            Err(_) => {
                let word = tokens.get(1 + N).copied().unwrap_or(tokens[0]);
                let count = tokens.len() - 1;
                let message = format_args!("{} takes {N} words, here are {count}", shown(tokens[0]));
                Err(self.error(place(frame, word), "zone-directive", message, help))
            }
        }
    }

    fn name(&mut self, frame: &Frame, token: Token<'_>) -> Result<Vec<u8>, Reported> {
        absolute(token, &frame.context.origin).map_err(|error| {
            let message = format_args!("{}: {error}", shown(token));
            self.error(place(frame, token), "zone-name", message, NAME_HELP)
        })
    }

    fn ttl(&mut self, frame: &Frame, token: Token<'_>) -> Result<u32, Reported> {
        let help = "write seconds up to 2147483647, or units as in 1h30m";
        let fault = match seconds(token.text) {
            Some(value) if value <= MAX_TTL => return Ok(value as u32),
            Some(_) => "is more than 2147483647 seconds (RFC 2181 section 8)",
            None => "is not a TTL",
        };
        Err(self.error(place(frame, token), "zone-ttl", format_args!("{} {fault}", shown(token)), help))
    }

    fn include(&mut self, frame: &Frame, tokens: &[Token<'_>]) -> Result<Frame, Reported> {
        let (path_word, origin) = match tokens {
            [_, path] => (*path, frame.context.origin.clone()),
            [_, path, origin] => (*path, self.name(frame, *origin)?),
            _ => {
                let message = format_args!("$INCLUDE takes a file and perhaps an origin");
                let help = "write '$INCLUDE file' or '$INCLUDE file origin.'";
                return Err(self.error(place(frame, tokens[0]), "zone-directive", message, help));
            }
        };
        let at = place(frame, path_word);
        let mut octets = Vec::new();
        codec::unescape(path_word.text, &mut octets);
        let folder = frame.path.parent().unwrap_or(Path::new(""));
        let path = folder.join(OsStr::from_bytes(&octets));
        self.check_include(frame, &path, at)?;
        self.report.reads(&path);
        let text = load(&path, MAX_TEXT - self.octets)
            .map_err(|why| self.error(at, "zone-include", format_args!("{why}"), FILE_HELP))?;
        let context = Context { origin, ..frame.context.clone() };
        let bound = "the zone has too many files";
        self.frame(&path, text, context)
            .ok_or_else(|| self.error(at, "zone-include", format_args!("{bound}"), "include fewer files"))
    }

    fn check_include(&mut self, frame: &Frame, path: &Path, at: Place) -> Result<(), Reported> {
        let real = canonical(path);
        let open = self.frames.iter().map(|open| &open.path).chain([&frame.path]);
        if open.into_iter().any(|open| canonical(open) == real) {
            let message = format_args!("{} is being read already: it includes itself", path.display());
            return Err(self.error(at, "zone-include", message, "remove this line"));
        }
        if self.frames.len() + 2 > MAX_DEPTH {
            let message = format_args!("files are included {MAX_DEPTH} levels deep");
            return Err(self.error(at, "zone-include", message, "include from fewer levels"));
        }
        if self.files >= MAX_FILES {
            let message = format_args!("more than {MAX_FILES} files are included");
            return Err(self.error(at, "zone-include", message, "include fewer files"));
        }
        Ok(())
    }

    // $GENERATE.

    fn generate(&mut self, frame: &mut Frame, tokens: &[Token<'_>]) -> Result<(), Reported> {
        let help = "write '$GENERATE 1-254 host-$ A 192.0.2.$'";
        let [directive, range, owner, rest @ ..] = tokens else {
            let message = format_args!("$GENERATE takes a range, an owner, a type and data");
            return Err(self.error(place(frame, tokens[0]), "zone-generate", message, help));
        };
        let Some(values) = Range::parse(range.text) else {
            let message = format_args!("{} is not a range start-stop or start-stop/step", shown(*range));
            return Err(self.error(place(frame, *range), "zone-generate", message, help));
        };
        self.count_generated(frame, *range, values.count())?;
        let body = self.body(frame, rest, *directive)?;
        // Faults of one expansion are those of all: the first ends the line.
        for value in values.values() {
            self.expansion(frame, *owner, &body, value)?;
        }
        Ok(())
    }

    fn count_generated(&mut self, frame: &Frame, range: Token<'_>, count: usize) -> Result<(), Reported> {
        self.generated = self.generated.saturating_add(count);
        let message = match () {
            () if count > MAX_EXPANSIONS => {
                format_args!("this makes {count} records, more than {MAX_EXPANSIONS}")
            }
            () if self.generated > MAX_GENERATED => {
                format_args!("the zone's $GENERATE lines make more than {MAX_GENERATED} records")
            }
            () => return Ok(()),
        };
        Err(self.error(place(frame, range), "zone-generate", message, "make the range smaller"))
    }

    fn expansion(
        &mut self,
        frame: &mut Frame,
        owner: Token<'_>,
        body: &Body<'_, '_>,
        value: u32,
    ) -> Result<(), Reported> {
        let help =
            "after '$' write '{offset,width,base}' with a base of d, o, x, X, n or N; '$$' is a dollar";
        let mut name = Vec::new();
        let mut data = Vec::new();
        if generate::substitute(owner.text, value, &mut name).is_none() {
            let message = format_args!("{} does not hold for {value}", shown(owner));
            return Err(self.error(place(frame, owner), "zone-generate", message, help));
        }
        for word in body.data {
            if substitute_word(*word, body, value, &mut data).is_none() {
                let message = format_args!("{} does not hold for {value}", shown(*word));
                return Err(self.error(place(frame, *word), "zone-generate", message, help));
            }
        }
        self.generated_octets += name.len() + data.len();
        if self.generated_octets > MAX_GENERATED_OCTETS {
            let message = format_args!("$GENERATE makes more than {MAX_GENERATED_OCTETS} octets of text");
            return Err(self.error(place(frame, owner), "zone-generate", message, "make the range smaller"));
        }
        let mut tokens = Vec::new();
        self.lex_generated(frame, body, &data, &mut tokens)?;
        self.owner(frame, Token { text: &name, ..owner })?;
        self.data(frame, &Body { data: &tokens, generated: true, ..*body })
    }

    fn lex_generated<'a>(
        &mut self,
        frame: &Frame,
        body: &Body<'_, '_>,
        data: &'a [u8],
        tokens: &mut Vec<Token<'a>>,
    ) -> Result<(), Reported> {
        let at = body.type_word.at;
        if let Next::Fault(fault) = Lexer::new(data).next(data, tokens) {
            let (message, help) = fault.kind.explain();
            let message = format_args!("in '{}': {message}", String::from_utf8_lossy(data));
            return Err(self.error(Place { file: frame.file, at }, "zone-generate", message, help));
        }
        // Places are those of the file, not of the text that was made.
        tokens.iter_mut().for_each(|token| token.at = at);
        Ok(())
    }

    // Records.

    fn record(
        &mut self,
        frame: &mut Frame,
        tokens: &[Token<'_>],
        starts_blank: bool,
    ) -> Result<(), Reported> {
        let mut rest = tokens;
        if !starts_blank {
            rest = &tokens[1..];
            // A bad owner is no reason to keep silent about the rest of the line.
            let _: Result<(), Reported> = self.owner(frame, tokens[0]);
        } else if matches!(frame.context.owner, Owner::None) {
            let message = format_args!("there is no owner before this line that it could share");
            let help = "write the owner at the start of the line, '@' for the zone itself";
            return Err(self.error(place(frame, tokens[0]), "zone-owner", message, help));
        }
        let body = self.body(frame, rest, tokens[0]);
        self.draft.lost |= body.is_err();
        self.data(frame, &body?)
    }

    fn owner(&mut self, frame: &mut Frame, token: Token<'_>) -> Result<(), Reported> {
        frame.context.owner = Owner::Bad;
        let mut wire = self.name(frame, token)?;
        name::fold_in_place(&mut wire);
        if !name::is_within(&wire, self.zone.as_wire()) {
            let zone = self.zone;
            let message = format_args!("{} is not within the zone {zone}", name::Presentation(&wire));
            let help = "move the record to its own zone, or correct the name: with a '.' at its end no origin is added";
            return Err(self.error(place(frame, token), "zone-out-of-zone", message, help));
        }
        match self.draft.node(&wire) {
            Ok(node) => frame.context.owner = Owner::Node(node),
            Err(TooLarge) => return Err(self.too_large(place(frame, token))),
        }
        Ok(())
    }

    /// TTL and class in either order, both left out at will, and the type.
    fn body<'t, 'a>(
        &mut self,
        frame: &Frame,
        tokens: &'t [Token<'a>],
        before: Token<'a>,
    ) -> Result<Body<'t, 'a>, Reported> {
        let (mut ttl, mut classed) = (None, false);
        let mut last = before;
        for (index, &word) in tokens.iter().enumerate() {
            last = word;
            if ttl.is_none() && word.text.first().is_some_and(u8::is_ascii_digit) {
                ttl = Some(self.ttl(frame, word)?);
            } else if let Some(rclass) = class_number(word.text).filter(|_| !classed) {
                self.check_class(frame, word, rclass)?;
                classed = true;
            } else {
                let rtype = self.record_type(frame, word)?;
                return Ok(Body {
                    ttl,
                    rtype,
                    type_word: word,
                    data: &tokens[index + 1..],
                    generated: false,
                });
            }
        }
        let message = format_args!("the record's type is missing after {}", shown(last));
        let help = "write owner, TTL, type and data; a line that shares the owner above starts with a blank";
        Err(self.error(after(frame, last), "zone-syntax", message, help))
    }

    fn check_class(&mut self, frame: &Frame, word: Token<'_>, rclass: u16) -> Result<(), Reported> {
        if rclass == class::IN {
            return Ok(());
        }
        let message = format_args!("class {} is not served from zones", shown(word));
        Err(self.error(place(frame, word), "zone-class", message, "write IN, or leave the class out"))
    }

    fn record_type(&mut self, frame: &Frame, word: Token<'_>) -> Result<u16, Reported> {
        let help = "correct the type; one that is not known by name is written TYPEnnn (RFC 3597)";
        match types::number(word.text) {
            Some(rtype) if types::is_data(rtype) => Ok(rtype),
            Some(_) => {
                let message = format_args!("{} is a type of questions, not of data", shown(word));
                Err(self.error(place(frame, word), "zone-type", message, help))
            }
            None => {
                let message = format_args!("{} is not a record type", shown(word));
                Err(self.error(place(frame, word), "zone-type", message, help))
            }
        }
    }

    fn data(&mut self, frame: &mut Frame, body: &Body<'_, '_>) -> Result<(), Reported> {
        let mut rdata = std::mem::take(&mut self.rdata);
        let parsed = rdata::parse(body.rtype, body.data, &frame.context.origin, &mut rdata);
        let added = match parsed {
            Ok(()) => self.add(frame, body, &rdata),
            Err(fault) => Err(self.bad_rdata(frame, body, fault)),
        };
        self.rdata = rdata;
        added
    }

    fn add(&mut self, frame: &mut Frame, body: &Body<'_, '_>, rdata: &[u8]) -> Result<(), Reported> {
        let ttl = self.record_ttl(frame, body, rdata)?;
        let Owner::Node(node) = frame.context.owner else { return Ok(()) };
        let at = place(frame, body.type_word);
        self.draft.add(node, body.rtype, ttl, rdata, at).map_err(|TooLarge| self.too_large(at))
    }

    fn bad_rdata(&mut self, frame: &Frame, body: &Body<'_, '_>, fault: RdataFault) -> Reported {
        let at = match body.data.get(fault.word) {
            _ if body.generated => place(frame, body.type_word),
            Some(word) => place(frame, *word),
            None => after(frame, body.data.last().copied().unwrap_or(body.type_word)),
        };
        self.draft.lost |= matches!(body.rtype, rtype::SOA | rtype::NS);
        let rtype = types::name(body.rtype);
        self.error(at, "zone-rdata", format_args!("in this {rtype} record: {}", fault.message), fault.help)
    }

    /// A TTL that is left out: `$TTL` (RFC 2308 section 4), else the last one stated (RFC 1035 section 5.1),
    /// else the SOA's minimum, as in BIND.
    fn record_ttl(&mut self, frame: &mut Frame, body: &Body<'_, '_>, rdata: &[u8]) -> Result<u32, Reported> {
        if let Some(ttl) = body.ttl {
            frame.context.last_ttl = Some(ttl);
            return Ok(ttl);
        }
        if let Some(ttl) = frame.context.default_ttl {
            return Ok(ttl);
        }
        let at = place(frame, body.type_word);
        let (ttl, source) = match (frame.context.last_ttl, body.rtype) {
            (Some(ttl), _) => (ttl, "the last one stated is"),
            (None, rtype::SOA) => (soa_minimum(rdata).min(MAX_TTL as u32), "the SOA's minimum is"),
            (None, _) => {
                let message = format_args!("this record has no TTL, and none is stated before it");
                return Err(self.error(
                    at,
                    "zone-ttl-missing",
                    message,
                    "write '$TTL 3600' at the start of the file",
                ));
            }
        };
        frame.context.last_ttl = Some(ttl);
        if !self.warned_about_ttl {
            self.warned_about_ttl = true;
            let message = format_args!("this record has no TTL and the file no $TTL: {source} taken, {ttl}");
            self.report.warning(
                at,
                "zone-ttl-missing",
                message,
                "write '$TTL 3600' at the start of the file",
            );
        }
        Ok(ttl)
    }
}

fn place(frame: &Frame, token: Token<'_>) -> Place {
    Place { file: frame.file, at: token.at }
}

/// Right behind a word.
fn after(frame: &Frame, token: Token<'_>) -> Place {
    let quotes = if token.quoted { 2 } else { 0 };
    Place { file: frame.file, at: token.at + token.text.len() as u32 + quotes }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// A quoted word of a template is BIND's way to have blanks in it, so its quotes go; but where the type
/// takes strings they are kept.
fn substitute_word(word: Token<'_>, body: &Body<'_, '_>, value: u32, out: &mut Vec<u8>) -> Option<()> {
    let quoted = word.quoted && (body.data.len() > 1 || types::has_strings(body.rtype));
    if !word.joined && !out.is_empty() {
        out.push(b' ');
    }
    if quoted {
        out.push(b'"');
    }
    generate::substitute(word.text, value, out)?;
    if quoted {
        out.push(b'"');
    }
    Some(())
}

fn class_number(word: &[u8]) -> Option<u16> {
    const NAMES: &[(&str, u16)] =
        &[("IN", class::IN), ("CS", 2), ("CH", class::CH), ("CHAOS", class::CH), ("HS", 4)];
    if let Some(digits) = strip_prefix(word, b"CLASS") {
        return decimal(digits);
    }
    NAMES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)).map(|(_, number)| *number)
}

/// The last field of a sound SOA's data.
pub fn soa_minimum(rdata: &[u8]) -> u32 {
    let minimum = rdata.last_chunk::<4>().expect("SOA data was checked to end in five 32-bit fields");
    u32::from_be_bytes(*minimum)
}
