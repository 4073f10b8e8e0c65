//! What every file of a log opens with.
//!
//! 64 bytes, little endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `HKYKJRNL` |
//! | 8 | 4 | format version, 2; 1 is read as well: such a file has no zeros behind its last frame and does not say when it was made |
//! | 12 | 1 | contents: 1 = journal (group commit), 2 = written log, 3 = keyed log |
//! | 13 | 3 | 0 |
//! | 16 | 8 | start position, as in the name |
//! | 24 | 16 | boot id of the machine when the file was made |
//! | 40 | 8 | when the file was made, ms since the Unix epoch; 0 where it is unknown |
//! | 48 | 12 | 0 |
//! | 60 | 4 | CRC-32 of the 60 bytes before |

use crate::error::HeaderFault;
use crate::{BootId, LogContents, Position};

/// Bytes in front of a file's first frame.
pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const HEADER_BYTES_U64: u64 = HEADER_BYTES as u64;

const MAGIC: [u8; 8] = *b"HKYKJRNL";
/// What is written.
const FORMAT: u32 = 2;
/// The oldest that is read.
const FORMAT_OLDEST: u32 = 1;
/// What a file's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) contents: LogContents,
    pub(crate) start: Position,
    pub(crate) boot: BootId,
    /// Milliseconds since the Unix epoch; 0 where it is unknown.
    pub(crate) made_at_ms: u64,
}

impl FileHeader {
    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12] = self.contents.number();
        bytes[16..24].copy_from_slice(&self.start.0.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.boot.0);
        bytes[40..48].copy_from_slice(&self.made_at_ms.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], named: Position) -> Result<FileHeader, HeaderFault> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(HeaderFault::Short { bytes: bytes.len() });
        };
        if header.iter().all(|byte| *byte == 0) {
            return Err(HeaderFault::Blank);
        }
        if header[..8] != MAGIC {
            return Err(HeaderFault::Magic);
        }
        if field::<4>(header, 60) != crc32fast::hash(&header[..60]).to_le_bytes() {
            return Err(HeaderFault::Checksum);
        }
        let format = u32::from_le_bytes(field(header, 8));
        if !(FORMAT_OLDEST..=FORMAT).contains(&format) {
            return Err(HeaderFault::Format {
                found: format,
                supported: FORMAT,
            });
        }
        let found = Position(u64::from_le_bytes(field(header, 16)));
        if found != named {
            return Err(HeaderFault::Start { found, named });
        }
        let contents = LogContents::from_number(header[12])
            .ok_or(HeaderFault::Contents { found: header[12] })?;
        Ok(FileHeader {
            contents,
            start: found,
            boot: BootId(field(header, 24)),
            made_at_ms: u64::from_le_bytes(field(header, 40)),
        })
    }
}

fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FileHeader = FileHeader {
        contents: LogContents::Journal,
        start: Position(0x1234),
        boot: BootId([7; 16]),
        made_at_ms: 1_700_000_000_123,
    };

    #[test]
    fn a_header_comes_back() {
        let bytes = HEADER.encode();
        assert_eq!(FileHeader::decode(&bytes, Position(0x1234)), Ok(HEADER));
        assert_eq!(&bytes[..16], b"HKYKJRNL\x02\0\0\0\x01\0\0\0");
    }

    #[test]
    fn every_flipped_byte_of_a_header_is_noticed() {
        for at in 0..HEADER_BYTES {
            let mut bytes = HEADER.encode();
            bytes[at] ^= 0x10;
            assert!(
                FileHeader::decode(&bytes, Position(0x1234)).is_err(),
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_renamed_file_is_noticed() {
        let fault = FileHeader::decode(&HEADER.encode(), Position(1));
        assert_eq!(
            fault,
            Err(HeaderFault::Start {
                found: Position(0x1234),
                named: Position(1)
            })
        );
    }
}
