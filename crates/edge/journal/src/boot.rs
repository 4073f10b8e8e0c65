//! Two facts only the operating system knows: which boot this is, and randomness.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::OpenError;

const BOOT_ID_PATH: &str = "/proc/sys/kernel/random/boot_id";
const RANDOM_PATH: &str = "/dev/urandom";

/// Which boot of the machine something belongs to: the kernel draws it at random at every start.
///
/// Same boot: the page cache has survived, so whatever a killed process wrote can be read. Another boot: only what was
/// synced is certain.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BootId(pub [u8; 16]);

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootId({self})")
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The boot this process runs in.
///
/// # Errors
/// [`OpenError::Io`] where the kernel does not offer it (`/proc` not mounted) or offers something else than 32
/// hexadecimal digits with dashes.
pub fn boot_id() -> Result<BootId, OpenError> {
    let path = Path::new(BOOT_ID_PATH);
    let text = fs::read_to_string(path).map_err(|error| OpenError::io("reading", path, error))?;
    parse_boot_id(&text)
        .ok_or_else(|| OpenError::io("reading", path, io::Error::from(io::ErrorKind::InvalidData)))
}

/// 32 bytes from the kernel's random source: the seed of everything random in an engine.
///
/// # Errors
/// [`OpenError::Io`] where the kernel's random device cannot be read.
pub fn random_seed() -> Result<[u8; 32], OpenError> {
    let path = Path::new(RANDOM_PATH);
    let mut seed = [0; 32];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut seed))
        .map_err(|error| OpenError::io("reading", path, error))?;
    Ok(seed)
}

fn parse_boot_id(text: &str) -> Option<BootId> {
    let mut bytes = [0; 16];
    let mut digits = text
        .trim()
        .bytes()
        .filter(|byte| *byte != b'-')
        .map(|byte| (byte as char).to_digit(16));
    for byte in &mut bytes {
        let value = digits.next()?? << 4 | digits.next()??;
        *byte = u8::try_from(value).ok()?;
    }
    digits.next().is_none().then_some(BootId(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_id_is_the_same_all_boot_long() {
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
    }

    #[test]
    fn only_a_uuid_is_a_boot_id() {
        let text = "00010203-0405-0607-0809-0a0b0c0d0eff\n";
        let id = parse_boot_id(text).unwrap();
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        for wrong in [
            "",
            "0001",
            "zz010203-0405-0607-0809-0a0b0c0d0eff",
            "00010203-0405-0607-0809-0a0b0c0d0eff00",
        ] {
            assert_eq!(parse_boot_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(random_seed().unwrap(), random_seed().unwrap());
    }
}
