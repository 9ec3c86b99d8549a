//! A zone's copy on disk: all records as of one version, and a journal of what changed since. What `append` and
//! `replace` have returned from is there after a crash; what a crash cut short is not, and hurts nothing. Knows
//! nothing of DNS messages or clocks.
//!
//! A copy is written beside the old one and renamed over it. Both files carry a number, the generation: a journal of
//! another generation than the copy's was begun before that copy, which has all of it. So nothing is made twice, at
//! whatever moment the power goes.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::limits::{JOURNAL_ENTRY, JOURNAL_MIN};
use crate::wire::name::Name;
use crate::zone::{Delta, Records, Serial, Walk, Zone};

const COPY: &[u8; 8] = b"dnsfwdZ1";
const JOURNAL: &[u8; 8] = b"dnsfwdJ1";
/// Octets of records that are written as one entry of a copy.
const PORTION: usize = 1 << 20;

/// Kinds of entries.
mod kind {
    /// Generation and origin.
    pub const HEAD: u8 = 1;
    pub const RECORDS: u8 = 2;
    /// The copy's end, with how many records there are.
    pub const END: u8 = 3;
    pub const DELTA: u8 = 4;
    /// When a primary last vouched for the zone.
    pub const VOUCHED: u8 = 5;
}

/// Why a copy can't be read or kept.
#[derive(Debug)]
pub enum DiskError {
    Io {
        path: PathBuf,
        source: io::Error,
    },
    /// The copy is not what was written, or is of another zone.
    Damaged {
        path: PathBuf,
        why: String,
    },
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskError::Io { path, source } => write!(f, "{}: {source}", path.display()),
            DiskError::Damaged { path, why } => write!(f, "{} is damaged: {why}", path.display()),
        }
    }
}

impl std::error::Error for DiskError {}

/// A zone as it was kept.
pub struct Kept {
    pub zone: Zone,
    /// What the journal held, oldest first.
    pub deltas: Vec<Arc<Delta>>,
    /// What the zone was first made of: the digest of its file's content.
    pub origin: u64,
    /// Seconds since 1970 at which a primary last vouched for it.
    pub vouched: u64,
}

/// The files of one zone, open for additions.
pub struct Disk {
    copy: PathBuf,
    journal: PathBuf,
    generation: u64,
    origin: u64,
    vouched: u64,
    /// None until there is a copy, or when its state is not known after a failure.
    open: Option<File>,
    octets: u64,
    copy_octets: u64,
}

impl Disk {
    /// The files for a zone in `folder`, which is made where it is missing, and what they hold.
    pub fn open(folder: &Path, view: &str, name: &Name) -> Result<(Disk, Option<Kept>), DiskError> {
        fs::create_dir_all(folder).map_err(|source| DiskError::Io { path: folder.into(), source })?;
        let base = file_name(view, name);
        let mut disk = Disk {
            copy: folder.join(format!("{base}.copy")),
            journal: folder.join(format!("{base}.journal")),
            generation: 0,
            origin: 0,
            vouched: 0,
            open: None,
            octets: 0,
            copy_octets: 0,
        };
        let Some(copy) = disk.read_copy(name)? else { return Ok((disk, None)) };
        let deltas = disk.read_journal(&copy)?;
        let mut zone = copy;
        if let Some(whole) = Delta::joined(&deltas) {
            zone = zone.changed(&whole).map_err(|unfit| disk.damaged(&disk.journal, unfit.to_string()))?;
        } else if !deltas.is_empty() {
            let why = "its changes don't follow one another".to_owned();
            return Err(disk.damaged(&disk.journal, why));
        }
        let (origin, vouched) = (disk.origin, disk.vouched);
        Ok((disk, Some(Kept { zone, deltas: deltas.into_iter().map(Arc::new).collect(), origin, vouched })))
    }

    /// The same where what is there can't be read: it is put aside, for whoever wants to look.
    pub fn anew(folder: &Path, view: &str, name: &Name) -> Result<Disk, DiskError> {
        let base = file_name(view, name);
        for ending in ["copy", "journal"] {
            let path = folder.join(format!("{base}.{ending}"));
            match fs::rename(&path, folder.join(format!("{base}.{ending}.damaged"))) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(DiskError::Io { path, source });
                }
                _ => {}
            }
        }
        Ok(Disk::open(folder, view, name)?.0)
    }

    pub fn origin(&self) -> u64 {
        self.origin
    }

    pub fn vouched(&self) -> u64 {
        self.vouched
    }

    fn damaged(&self, path: &Path, why: String) -> DiskError {
        DiskError::Damaged { path: path.into(), why }
    }

    /// Octets of the journal.
    pub fn journal_octets(&self) -> u64 {
        self.octets
    }

    /// Whether the journal has grown so much that the copy should be written anew.
    pub fn is_long(&self) -> bool {
        self.octets > JOURNAL_MIN.max(self.copy_octets)
    }

    /// Puts changes behind those that are there. They are on disk when this returns; after an error none of them is
    /// there, or the next call writes a whole copy.
    pub fn append(&mut self, deltas: &[Arc<Delta>], after: &Zone) -> io::Result<()> {
        let mut entries = Vec::new();
        for delta in deltas {
            put_delta(&mut entries, delta);
        }
        self.write(&entries, after, true)
    }

    /// Notes that a primary vouched for the zone at this time (seconds since 1970). Not waited for.
    pub fn vouch(&mut self, at: u64, zone: &Zone) -> io::Result<()> {
        self.vouched = at;
        let mut entry = Vec::new();
        put_entry(&mut entry, kind::VOUCHED, &at.to_be_bytes());
        self.write(&entry, zone, false)
    }

    fn write(&mut self, entries: &[u8], after: &Zone, sync: bool) -> io::Result<()> {
        let Some(file) = &mut self.open else { return self.replace(after, self.origin, self.vouched) };
        let written = file.write_all(entries).and_then(|()| if sync { file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // What may be half there must not be followed by more.
            if file.set_len(self.octets).and_then(|()| file.sync_data()).is_err() {
                self.open = None;
            } else if let Some(file) = &mut self.open {
                use std::io::Seek;
                file.seek(io::SeekFrom::End(0))?;
            }
            return Err(error);
        }
        self.octets += entries.len() as u64;
        Ok(())
    }

    /// Writes the zone whole and begins a new journal.
    pub fn replace(&mut self, zone: &Zone, origin: u64, vouched: u64) -> io::Result<()> {
        let generation = self.generation + 1;
        let copy_octets = self.write_copy(zone, generation, origin, vouched)?;
        // From here on the old journal is of an older generation.
        self.open = None;
        (self.generation, self.origin, self.vouched) = (generation, origin, vouched);
        let mut head = JOURNAL.to_vec();
        put_entry(&mut head, kind::HEAD, &head_of(generation, origin, vouched, zone));
        let beside = beside(&self.journal);
        let mut file = File::create(&beside)?;
        file.write_all(&head)?;
        file.sync_all()?;
        fs::rename(&beside, &self.journal)?;
        sync_folder(&self.journal)?;
        (self.octets, self.copy_octets, self.open) = (head.len() as u64, copy_octets, Some(file));
        Ok(())
    }

    fn write_copy(&self, zone: &Zone, generation: u64, origin: u64, vouched: u64) -> io::Result<u64> {
        let beside = beside(&self.copy);
        let mut file = BufWriter::new(File::create(&beside)?);
        file.write_all(COPY)?;
        let mut entry = Vec::new();
        put_entry(&mut entry, kind::HEAD, &head_of(generation, origin, vouched, zone));
        let mut portion = Records::default();
        portion.push(zone.soa());
        let mut walk = Walk::of(zone);
        while let Some(record) = walk.current() {
            portion.push(record);
            if portion.as_bytes().len() >= PORTION {
                put_entry(&mut entry, kind::RECORDS, portion.as_bytes());
                portion.clear();
                file.write_all(&entry)?;
                entry.clear();
            }
            walk.advance();
        }
        put_entry(&mut entry, kind::RECORDS, portion.as_bytes());
        put_entry(&mut entry, kind::END, &(zone.records() as u64).to_be_bytes());
        file.write_all(&entry)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let octets = file.metadata()?.len();
        fs::rename(&beside, &self.copy)?;
        sync_folder(&self.copy)?;
        Ok(octets)
    }

    fn read_copy(&mut self, name: &Name) -> Result<Option<Zone>, DiskError> {
        let path = self.copy.clone();
        let failed = |source| DiskError::Io { path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        self.copy_octets = file.metadata().map_err(failed)?.len();
        let mut file = BufReader::new(file);
        let damaged = |why: &str| DiskError::Damaged { path: path.clone(), why: why.to_owned() };
        let mut magic = [0; 8];
        file.read_exact(&mut magic).map_err(failed)?;
        if magic != *COPY {
            return Err(damaged("it is no copy of a zone"));
        }
        let mut portions = Vec::new();
        let mut count = None;
        while let Some((kind, content)) = read_entry(&mut file).map_err(failed)? {
            match kind {
                kind::HEAD => {
                    let head = Head::read(&content).ok_or_else(|| damaged("its head is not sound"))?;
                    if head.name != *name {
                        return Err(damaged(&format!("it is of the zone {}", head.name)));
                    }
                    (self.generation, self.origin, self.vouched) =
                        (head.generation, head.origin, head.vouched);
                }
                kind::RECORDS => portions
                    .push(Records::from_bytes(&content).ok_or_else(|| damaged("a record is not sound"))?),
                kind::END => count = content.try_into().ok().map(u64::from_be_bytes),
                _ => return Err(damaged("an entry is of an unknown kind")),
            }
        }
        let Some(count) = count else { return Err(damaged("its end is missing")) };
        let zone = Zone::from_records(name, portions.iter().flat_map(Records::iter), "its copy")
            .map_err(|unfit| damaged(&unfit.to_string()))?;
        if zone.records() as u64 != count {
            return Err(damaged("records are missing"));
        }
        Ok(Some(zone))
    }

    /// The journal's changes, if it goes on from the copy. What is torn at its end is cut off.
    fn read_journal(&mut self, copy: &Zone) -> Result<Vec<Delta>, DiskError> {
        let path = self.journal.clone();
        let failed = |source| DiskError::Io { path: path.clone(), source };
        let octets = match fs::read(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let Some(mut rest) = octets.strip_prefix(JOURNAL) else { return Ok(Vec::new()) };
        let mut deltas: Vec<Delta> = Vec::new();
        let mut at = Serial(copy.serial());
        let mut sound = JOURNAL.len();
        let mut head = None;
        while let Ok(Some((kind, content))) = read_entry(&mut rest) {
            match kind {
                kind::HEAD => head = Head::read(&content).map(|head| head.generation),
                kind::VOUCHED => {
                    let at = content.try_into().map(u64::from_be_bytes).unwrap_or_default();
                    self.vouched = self.vouched.max(at);
                }
                kind::DELTA => {
                    let Some(delta) = read_delta(&content).filter(|delta| delta.from == at) else { break };
                    at = delta.to;
                    deltas.push(delta);
                }
                _ => break,
            }
            if head != Some(self.generation) {
                // Older than the copy, which has it all. The next change writes a new one.
                return Ok(Vec::new());
            }
            sound = octets.len() - rest.len();
        }
        if head.is_none() {
            return Ok(Vec::new());
        }
        let mut file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        if sound < octets.len() {
            file.set_len(sound as u64).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        file.flush().map_err(failed)?;
        (self.octets, self.open) = (sound as u64, Some(file));
        Ok(deltas)
    }
}

struct Head {
    generation: u64,
    origin: u64,
    vouched: u64,
    name: Name,
}

impl Head {
    fn read(content: &[u8]) -> Option<Head> {
        let (numbers, name) = content.split_first_chunk::<24>()?;
        let number = |at: usize| Some(u64::from_be_bytes(numbers.get(at..at + 8)?.try_into().ok()?));
        Some(Head {
            generation: number(0)?,
            origin: number(8)?,
            vouched: number(16)?,
            name: Name::from_wire(name).ok()?,
        })
    }
}

fn head_of(generation: u64, origin: u64, vouched: u64, zone: &Zone) -> Vec<u8> {
    let numbers = [generation, origin, vouched].map(u64::to_be_bytes).concat();
    [&numbers[..], zone.name().as_wire()].concat()
}

fn put_delta(out: &mut Vec<u8>, delta: &Delta) {
    let mut content = Vec::with_capacity(delta.octets() + 12);
    content.extend(delta.from.0.to_be_bytes());
    content.extend(delta.to.0.to_be_bytes());
    content.extend((delta.deleted.as_bytes().len() as u32).to_be_bytes());
    content.extend_from_slice(delta.deleted.as_bytes());
    content.extend_from_slice(delta.added.as_bytes());
    put_entry(out, kind::DELTA, &content);
}

fn read_delta(content: &[u8]) -> Option<Delta> {
    let (numbers, lists) = content.split_first_chunk::<12>()?;
    let number = |at: usize| Some(u32::from_be_bytes(numbers.get(at..at + 4)?.try_into().ok()?));
    let (deleted, added) = lists.split_at_checked(number(8)? as usize)?;
    let (deleted, added) = (Records::from_bytes(deleted)?, Records::from_bytes(added)?);
    Some(Delta { from: Serial(number(0)?), to: Serial(number(4)?), deleted, added })
}

/// An entry: kind, length, eight octets of the content's SHA-256, content.
fn put_entry(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    out.push(kind);
    out.extend((content.len() as u32).to_be_bytes());
    out.extend_from_slice(&seal(kind, content));
    out.extend_from_slice(content);
}

fn seal(kind: u8, content: &[u8]) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update([kind]);
    hash.update(content);
    let hash = hash.finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

/// The next entry; none at the end. One that is cut short or not what was written is an error.
fn read_entry(file: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 13];
    match file.read(&mut head[..1])? {
        0 => return Ok(None),
        _ => file.read_exact(&mut head[1..])?,
    }
    let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let unsound = || io::Error::new(io::ErrorKind::InvalidData, "an entry is not what was written");
    if len > JOURNAL_ENTRY {
        return Err(unsound());
    }
    let mut content = Vec::new();
    file.take(len as u64).read_to_end(&mut content)?;
    if content.len() != len || seal(head[0], &content) != head[5..] {
        return Err(unsound());
    }
    Ok(Some((head[0], content)))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// A file's name for any zone's: letters, digits and hyphens as they are, others by number, long ones by hash.
fn file_name(view: &str, name: &Name) -> String {
    /// File systems take 255 octets, and an ending comes.
    const LONGEST: usize = 200;
    let mut text = name.to_string();
    if !view.is_empty() {
        text = format!("{text}@{view}");
    }
    let safe: String = text
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'@' => char::from(byte).to_string(),
            b'.' => ".".to_owned(),
            _ => format!("%{byte:02x}"),
        })
        .collect();
    if safe == "." {
        return "%2e".to_owned();
    }
    if safe.len() <= LONGEST {
        return safe;
    }
    let hash: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("%{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(serial: u32, more: &str) -> Zone {
        let text = format!("$TTL 60\n@ SOA ns h {serial} 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n{more}");
        let name = Name::parse("corp.example").unwrap();
        Zone::parse(&name, &text, Path::new("/nowhere")).zone.expect("it is sound")
    }

    fn digest(folder: &Path) -> Option<(u32, u64, usize)> {
        let (_, kept) = Disk::open(folder, "", &Name::parse("corp.example").unwrap()).unwrap();
        kept.map(|kept| (kept.zone.serial(), kept.zone.digest(), kept.deltas.len()))
    }

    /// Ten versions, each a change to the one before.
    fn versions() -> Vec<Zone> {
        (1..=10).map(|serial| zone(serial, &format!("h{serial} A 192.0.2.{serial}\n"))).collect()
    }

    #[test]
    fn what_was_kept_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let versions = versions();
        let name = Name::parse("corp.example").unwrap();
        let (mut disk, kept) = Disk::open(folder.path(), "", &name).unwrap();
        assert!(kept.is_none());
        disk.replace(&versions[0], 77, 5).unwrap();
        for pair in versions.windows(2) {
            disk.append(&[Arc::new(pair[0].difference(&pair[1]))], &pair[1]).unwrap();
        }
        disk.vouch(99, &versions[9]).unwrap();
        let (mut disk, kept) = Disk::open(folder.path(), "", &name).unwrap();
        let kept = kept.unwrap();
        assert_eq!((kept.zone.serial(), kept.deltas.len(), kept.origin, kept.vouched), (10, 9, 77, 99));
        assert_eq!(kept.zone.digest(), versions[9].digest());
        // And goes on.
        let next = zone(11, "new A 192.0.2.9\n");
        disk.append(&[Arc::new(kept.zone.difference(&next))], &next).unwrap();
        assert_eq!(digest(folder.path()), Some((11, next.digest(), 10)));
        disk.replace(&next, 77, 5).unwrap();
        assert_eq!(digest(folder.path()), Some((11, next.digest(), 0)));
    }

    /// Cut at every octet, and with every octet changed: what is whole before it is there, and nothing else.
    #[test]
    fn a_torn_tail_hurts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let versions = versions();
        let name = Name::parse("corp.example").unwrap();
        let (mut disk, _) = Disk::open(folder.path(), "", &name).unwrap();
        disk.replace(&versions[0], 0, 0).unwrap();
        let mut ends = vec![disk.journal_octets()];
        for pair in versions[..4].windows(2) {
            disk.append(&[Arc::new(pair[0].difference(&pair[1]))], &pair[1]).unwrap();
            ends.push(disk.journal_octets());
        }
        let (path, copy) = (disk.journal.clone(), fs::read(&disk.copy).unwrap());
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&disk.copy, &copy).unwrap();
            fs::write(&path, &whole[..cut]).unwrap();
            let sound = ends.iter().filter(|end| **end <= cut as u64).count().max(1);
            let version = &versions[sound - 1];
            assert_eq!(digest(folder.path()), Some((version.serial(), version.digest(), sound - 1)), "{cut}");
            // What follows the cut is taken as well.
            let (mut again, _) = Disk::open(folder.path(), "", &name).unwrap();
            let next = zone(50, "");
            again.append(&[Arc::new(version.difference(&next))], &next).unwrap();
            assert_eq!(digest(folder.path()).map(|kept| kept.0), Some(50), "{cut}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            fs::write(&disk.copy, &copy).unwrap();
            fs::write(&path, &changed).unwrap();
            let sound = ends.iter().filter(|end| **end <= at as u64).count().max(1);
            assert_eq!(digest(folder.path()).map(|kept| kept.0), Some(sound as u32), "octet {at}");
        }
    }

    /// A crash between the new copy and its journal: the old journal is of the old copy.
    #[test]
    fn nothing_is_made_twice() {
        let folder = tempfile::tempdir().unwrap();
        let versions = versions();
        let (mut disk, _) = Disk::open(folder.path(), "", versions[0].name()).unwrap();
        disk.replace(&versions[0], 0, 0).unwrap();
        disk.append(&[Arc::new(versions[0].difference(&versions[1]))], &versions[1]).unwrap();
        disk.write_copy(&versions[1], disk.generation + 1, 0, 0).unwrap();
        assert_eq!(digest(folder.path()), Some((2, versions[1].digest(), 0)));
        // Half a copy beside the true one is no copy.
        fs::write(beside(&disk.copy), b"half").unwrap();
        assert_eq!(digest(folder.path()), Some((2, versions[1].digest(), 0)));
    }

    #[test]
    fn a_damaged_copy_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let zone = zone(1, "");
        let (mut disk, _) = Disk::open(folder.path(), "", zone.name()).unwrap();
        disk.replace(&zone, 0, 0).unwrap();
        let whole = fs::read(&disk.copy).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&disk.copy, &changed).unwrap();
            assert!(Disk::open(folder.path(), "", zone.name()).is_err(), "octet {at}");
            fs::write(&disk.copy, &whole[..at]).unwrap();
            assert!(Disk::open(folder.path(), "", zone.name()).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn any_zone_has_a_file_name() {
        let name = |view: &str, text: &str| file_name(view, &Name::parse(text).unwrap());
        assert_eq!(name("", "corp.example"), "corp.example");
        assert_eq!(name("vpn", "corp.example"), "corp.example@vpn");
        assert_eq!(name("", "."), "%2e");
        assert_eq!(name("", "a/b.example"), "a%2fb.example");
        let long = name("", &"abcdefghi.".repeat(25));
        assert!(long.len() < 80 && long.starts_with('%'), "{long}");
    }
}
