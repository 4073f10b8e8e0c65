//! Files of a log from a fuzzer's bytes, on a disk in memory.

use std::path::{Path, PathBuf};

use fake_disk::FakeDisk;

/// Where the log lies.
pub const DIR: &str = "log";

/// Most files of one input.
const FILES_MAX: usize = 4;
const HEADER_BYTES: usize = 64;
const FRAME_HEADER_BYTES: usize = 12;
const MAGIC: u32 = 0xF1C;

/// Written by the present boot of the machine, not by an earlier one.
const FLAG_THIS_BOOT: u8 = 1;
/// Make headers and checksums right: a fuzzer does not guess them.
const FLAG_REPAIR: u8 = 2;

/// An input: flags, then files, each its length in two octets and its bytes.
#[derive(Debug)]
pub struct Input<'a> {
    flags: u8,
    files: Vec<&'a [u8]>,
}

impl<'a> Input<'a> {
    /// Takes a fuzzer's bytes apart; a file that is announced longer than what is left ends with it.
    #[must_use]
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let (&flags, mut rest) = data.split_first()?;
        let mut files = Vec::new();
        while files.len() < FILES_MAX
            && let Some((length, behind)) = rest.split_first_chunk::<2>()
        {
            let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
            let (file, behind) = behind.split_at(length);
            files.push(file);
            rest = behind;
        }
        Some(Self { flags, files })
    }

    /// A disk that holds these files as a log of `contents`, each under the name that its header says.
    #[must_use]
    pub fn disk(&self, contents: u8) -> FakeDisk {
        let disk = FakeDisk::new(1);
        let storage = disk.storage();
        storage
            .make_directory(Path::new(DIR))
            .expect("a fake disk makes directories");
        let boot = storage.boot_id().expect("a fake disk has a boot").0;
        for file in &self.files {
            let mut bytes = file.to_vec();
            if self.flags & FLAG_REPAIR != 0 {
                let boot = if self.flags & FLAG_THIS_BOOT == 0 {
                    [7; 16]
                } else {
                    boot
                };
                repair(&mut bytes, contents, boot);
            }
            let path = path_of(&bytes);
            let made = storage.create(&path);
            made.and_then(|file| file.write_all_at(&bytes, 0))
                .expect("a fake disk takes what it is given");
        }
        disk
    }
}

/// What the files of a disk hold.
#[must_use]
pub fn contents(disk: &FakeDisk) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let files = disk.files().into_iter();
    files
        .map(|path| {
            let bytes = disk.contents(&path);
            (path, bytes)
        })
        .collect()
}

fn start_of(bytes: &[u8]) -> u64 {
    bytes
        .get(16..24)
        .and_then(|start| start.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    Path::new(DIR).join(format!("{:016x}.journal", start_of(bytes)))
}

fn repair(bytes: &mut [u8], contents: u8, boot: [u8; 16]) {
    let start = start_of(bytes);
    let Some((header, frames)) = bytes.split_at_mut_checked(HEADER_BYTES) else {
        return;
    };
    header[..8].copy_from_slice(b"HKYKJRNL");
    let format = 1 + u32::from(header[8] & 1);
    header[8..12].copy_from_slice(&format.to_le_bytes());
    header[12] = contents;
    header[24..40].copy_from_slice(&boot);
    let crc = crc32fast::hash(&header[..60]);
    header[60..].copy_from_slice(&crc.to_le_bytes());
    let mut at = 0;
    while let Some(head) = frames.get(at..at + FRAME_HEADER_BYTES) {
        let word = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let length = FRAME_HEADER_BYTES + (word & 0xf_ffff) as usize;
        if word >> 20 != MAGIC || frames.len() < at + length {
            break;
        }
        let position = start.wrapping_add(at as u64);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&position.to_le_bytes());
        hasher.update(&frames[at + 4..at + length]);
        frames[at..at + 4].copy_from_slice(&hasher.finalize().to_le_bytes());
        at += length;
    }
}
