//! Which boot of the machine this is.

use std::fmt;
use std::fs;
use std::io;

const BOOT_ID_PATH: &str = "/proc/sys/kernel/random/boot_id";

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
/// Where the kernel does not offer it (`/proc` not mounted) or offers something else than 32 hexadecimal digits with
/// dashes.
pub(crate) fn read() -> io::Result<BootId> {
    let text = fs::read_to_string(BOOT_ID_PATH)?;
    parse_boot_id(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
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
        assert_eq!(read().unwrap(), read().unwrap());
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
}
