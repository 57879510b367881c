//! A journal between those who hand records over and a store that may be slow or gone: files of lines, one record each.
//!
//! A record is in the journal before the store is asked to take it, so that neither a kill nor a store that is out loses
//! it; taking a record twice changes nothing, so that reading on from too early is harmless. Each process has a folder of
//! its own, locked while it lives; what a dead one left is taken over at the next start. Nothing is synced to the disk: a
//! power cut may cost what the system had not yet written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file is closed when it is this large; it is deleted when the store has all of it.
const SEGMENT_MAX: u64 = 4 * 1024 * 1024;
/// All files together, at most; beyond it records are lost while the store is out, and counted.
const JOURNAL_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Processes that may share a place.
const FOLDERS: u32 = 64;

/// Where in the journal something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    /// Held for its lock.
    _lock: File,
    file: File,
    end: Position,
}

impl Journal {
    /// Opens a folder of its own below `place`, with what others left there. The second value is where reading begins.
    pub(crate) fn open(place: &Path) -> io::Result<(Self, Position)> {
        fs::create_dir_all(place)?;
        let mut own: Option<(PathBuf, File)> = None;
        for number in 0..FOLDERS {
            let folder = place.join(number.to_string());
            let is_there = folder.is_dir();
            if own.is_some() && !is_there {
                break;
            }
            fs::create_dir_all(&folder)?;
            let lock = OpenOptions::new().create(true).append(true).open(folder.join("lock"))?;
            if lock.try_lock().is_err() {
                continue;
            }
            match &own {
                None => own = Some((folder, lock)),
                Some((into, _)) => adopt(&folder, into)?,
            }
        }
        let Some((folder, lock)) = own else {
            return Err(io::Error::other(format!("{} processes use {}", FOLDERS, place.display())));
        };
        let known = segments(&folder)?;
        let first = known.first().copied();
        let segment = known.last().map_or(0, |last| last + 1);
        let file = create(&folder, segment)?;
        let end = Position { segment, offset: 0 };
        let begin = first.map_or(end, |segment| Position { segment, offset: 0 });
        Ok((Self { folder, _lock: lock, file, end }, begin))
    }

    /// The folder, for the reading end.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the next line goes.
    pub(crate) const fn end(&self) -> Position {
        self.end
    }

    /// Appends lines, each of which ends in a line break and holds no other.
    pub(crate) fn append(&mut self, lines: &[u8], unshipped_from: Position) -> io::Result<Position> {
        let waiting = (self.end.segment - unshipped_from.segment) * SEGMENT_MAX;
        if waiting > JOURNAL_MAX {
            return Err(io::Error::other("the journal is full"));
        }
        if self.end.offset >= SEGMENT_MAX {
            let segment = self.end.segment + 1;
            self.file = create(&self.folder, segment)?;
            self.end = Position { segment, offset: 0 };
        }
        if let Err(error) = self.file.write_all(lines) {
            // A part of a line would spoil the next one.
            let _ = self.file.set_len(self.end.offset);
            let _ = self.file.seek(SeekFrom::Start(self.end.offset));
            return Err(error);
        }
        self.end.offset += lines.len() as u64;
        Ok(self.end)
    }
}

fn create(folder: &Path, segment: u64) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).write(true).open(path(folder, segment))
}

fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:012}.jsonl"))
}

/// The numbers of the files, in order.
fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|name| name.parse().ok());
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

/// Takes over what a dead process left.
fn adopt(folder: &Path, into: &Path) -> io::Result<()> {
    let next = segments(into)?.last().map_or(0, |last| last + 1);
    for (number, segment) in (next..).zip(segments(folder)?) {
        fs::rename(path(folder, segment), path(into, number))?;
    }
    Ok(())
}

/// The reading end: whole lines from a position on.
#[derive(Debug)]
pub(crate) struct Reader {
    folder: PathBuf,
    /// What the store has.
    pub(crate) at: Position,
}

impl Reader {
    pub(crate) fn new(folder: &Path, at: Position) -> Self {
        Self { folder: folder.to_owned(), at }
    }

    /// Up to `most` lines before `end`, and where they end. Nothing where everything has been read.
    pub(crate) fn read(&self, end: Position, most: usize) -> io::Result<(Vec<String>, Position)> {
        let mut at = self.at;
        while at < end {
            let lines = match File::open(path(&self.folder, at.segment)) {
                Ok(file) => lines(file, &mut at, end, most)?,
                // Somebody cleared up: what is gone is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            };
            if !lines.is_empty() || at.segment >= end.segment {
                return Ok((lines, at));
            }
            at = Position { segment: at.segment + 1, offset: 0 };
        }
        Ok((Vec::new(), at))
    }

    /// The store has everything before `at`: files that hold nothing else are deleted.
    pub(crate) fn shipped(&mut self, at: Position) {
        for segment in self.at.segment..at.segment {
            let _ = fs::remove_file(path(&self.folder, segment));
        }
        self.at = at;
    }

    /// Everything has been shipped and nothing more will come.
    pub(crate) fn finished(&mut self, end: Position) {
        self.shipped(end);
        let _ = fs::remove_file(path(&self.folder, end.segment));
    }
}

/// The lines of one file; a torn last one stays where it is.
fn lines(mut file: File, at: &mut Position, end: Position, most: usize) -> io::Result<Vec<String>> {
    file.seek(SeekFrom::Start(at.offset))?;
    let mut reader = BufReader::new(file);
    let mut lines = Vec::new();
    while lines.len() < most && *at < end {
        let mut line = Vec::new();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            break;
        }
        line.pop();
        at.offset += read as u64;
        // What is no text is no record, and is counted as one that is none.
        lines.push(String::from_utf8(line).unwrap_or_default());
    }
    Ok(lines)
}
