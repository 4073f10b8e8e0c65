//! Files made byte by byte after `docs/journal-format.md`, without the code that writes them in the product: so that the page is tried, and
//! so that files of a format that is no longer written can be made at all.

use std::fs;
use std::path::Path;

use prost::Message as _;

use crate::samples;

/// A boot that is nobody's present one.
const BOOT: [u8; 16] = *b"a boot long gone";
const MADE_AT_MS: u64 = 1_790_000_000_000;
pub(crate) const HEADER_BYTES: usize = 64;
/// Zeros behind the last frame of a file whose space is still reserved.
const RESERVED_BYTES: usize = 300;

/// A frame's kind, version and payload.
pub(crate) type Frame = (u8, u8, Vec<u8>);

pub(crate) fn frame_of(record: &partition::Record) -> Frame {
    let mut payload = Vec::new();
    record.encode(&mut payload);
    (record.kind(), partition::record::RECORD_VERSION, payload)
}

/// The journal's frames in two files: the second is what a restart began.
pub(crate) fn journal_frames() -> [Vec<Frame>; 2] {
    let own = (1, 1, samples::opened().encode_to_vec());
    let mut first = vec![own.clone()];
    first.extend(samples::journal().iter().map(frame_of));
    let second = first.split_off(first.len() / 2);
    [first, [vec![own], second].concat()]
}

/// Makes a set of files of this format; what exists is never touched.
pub(crate) fn make(set: &Path, format: u32) {
    let [first, second] = journal_frames();
    let first = Batch {
        start: 0,
        frames: &first,
        opens: true,
    };
    let begun = first.bytes();
    let second = Batch {
        start: begun.len() as u64,
        frames: &second,
        opens: true,
    };
    let journal = set.join("journal");
    write(&journal, 0, &file(format, 1, 0, &begun, 0));
    let reserved = if format == 1 { 0 } else { RESERVED_BYTES };
    let bytes = file(format, 1, second.start, &second.bytes(), reserved);
    write(&journal, second.start, &bytes);
    let frames: Vec<_> = samples::written().iter().map(frame_of).collect();
    let written = Batch {
        start: 0,
        frames: &frames,
        opens: false,
    };
    let bytes = file(format, 2, 0, &written.bytes(), reserved);
    write(&set.join("written"), 0, &bytes);
    if format >= 2 {
        let frames = [crate::keyed::mark(), crate::keyed::event()];
        let events = Batch {
            start: 0,
            frames: &frames,
            opens: false,
        };
        let bytes = file(format, 3, 0, &events.bytes(), 0);
        write(&set.join("events"), 0, &bytes);
        crate::keyed::make_keys(&set.join("keys"));
    }
}

fn write(dir: &Path, start: u64, bytes: &[u8]) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join(format!("{start:016x}.journal")), bytes).unwrap();
}

fn file(format: u32, contents: u8, start: u64, frames: &[u8], reserved: usize) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..8].copy_from_slice(b"HKYKJRNL");
    bytes[8..12].copy_from_slice(&format.to_le_bytes());
    bytes[12] = contents;
    bytes[16..24].copy_from_slice(&start.to_le_bytes());
    bytes[24..40].copy_from_slice(&BOOT);
    if format >= 2 {
        bytes[40..48].copy_from_slice(&MADE_AT_MS.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(frames);
    bytes.resize(bytes.len() + reserved, 0);
    bytes
}

/// Frames that were written together.
pub(crate) struct Batch<'a> {
    pub(crate) start: u64,
    pub(crate) frames: &'a [Frame],
    /// Whether all before them was synced before they were written.
    pub(crate) opens: bool,
}

impl Batch<'_> {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (at, (kind, version, payload)) in self.frames.iter().enumerate() {
            let position = self.start + bytes.len() as u64;
            let length = u32::try_from(payload.len()).unwrap();
            let flags = u8::from(self.opens && at == 0);
            let mut rest = (0xF1C << 20 | length).to_le_bytes().to_vec();
            rest.extend([*kind, *version, 0, flags]);
            rest.extend_from_slice(payload);
            let covered = [&position.to_le_bytes(), rest.as_slice()].concat();
            bytes.extend(crc32fast::hash(&covered).to_le_bytes());
            bytes.extend(rest);
        }
        bytes
    }
}
