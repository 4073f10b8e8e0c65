//! Bytes of a file as sectors: what was never written takes no memory and reads as zeros.

use std::collections::BTreeMap;

/// The unit in which a disk writes.
pub(crate) const SECTOR_BYTES: u64 = 512;
const SECTOR: usize = 512;

pub(crate) type Sector = [u8; SECTOR];

/// A file's bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    pub(crate) length: u64,
    sectors: BTreeMap<u64, Sector>,
}

impl Contents {
    /// Reads at `offset`; returns how many bytes there were.
    pub(crate) fn read(&self, bytes: &mut [u8], offset: u64) -> usize {
        let left = self.length.saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(bytes.len(), |left| bytes.len().min(left));
        let mut done = 0;
        while done < wanted {
            let (number, within) = place(offset + done as u64);
            let some = (SECTOR - within).min(wanted - done);
            let target = &mut bytes[done..done + some];
            match self.sectors.get(&number) {
                Some(sector) => target.copy_from_slice(&sector[within..within + some]),
                None => target.fill(0),
            }
            done += some;
        }
        wanted
    }

    /// Writes at `offset` and calls `touched` for every sector it changes.
    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64, mut touched: impl FnMut(u64)) {
        let mut done = 0;
        while done < bytes.len() {
            let (number, within) = place(offset + done as u64);
            let some = (SECTOR - within).min(bytes.len() - done);
            let sector = self.sectors.entry(number).or_insert([0; SECTOR]);
            sector[within..within + some].copy_from_slice(&bytes[done..done + some]);
            touched(number);
            done += some;
        }
        self.length = self.length.max(offset + bytes.len() as u64);
    }

    /// Cuts or extends; what is cut reads as zeros if the file grows again.
    pub(crate) fn set_length(&mut self, length: u64) {
        if length < self.length {
            let (number, within) = place(length);
            self.sectors.retain(|at, _| *at <= number);
            if within == 0 {
                self.sectors.remove(&number);
            } else if let Some(sector) = self.sectors.get_mut(&number) {
                sector[within..].fill(0);
            }
        }
        self.length = length;
    }

    pub(crate) fn sector(&self, number: u64) -> Sector {
        self.sectors.get(&number).copied().unwrap_or([0; SECTOR])
    }

    pub(crate) fn set_sector(&mut self, number: u64, sector: Sector) {
        self.sectors.insert(number, sector);
    }

    /// Bytes up to the end of the last sector that was written.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.sectors
            .last_key_value()
            .map_or(0, |(number, _)| (number + 1) * SECTOR_BYTES)
    }
}

fn place(offset: u64) -> (u64, usize) {
    let within = usize::try_from(offset % SECTOR_BYTES).unwrap_or_default();
    (offset / SECTOR_BYTES, within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_the_rest_is_zeros() {
        let mut contents = Contents::default();
        let mut touched = Vec::new();
        contents.write(&[7; 700], 500, |number| touched.push(number));
        assert_eq!((contents.length, touched), (1200, vec![0, 1, 2]));
        let mut bytes = vec![1; 2000];
        assert_eq!(contents.read(&mut bytes, 0), 1200);
        assert!(bytes[..500].iter().all(|byte| *byte == 0));
        assert!(bytes[500..1200].iter().all(|byte| *byte == 7));
        contents.set_length(600);
        contents.set_length(2000);
        assert_eq!(contents.read(&mut bytes, 590), 1410);
        assert_eq!(&bytes[..10], &[7; 10]);
        assert!(bytes[10..1410].iter().all(|byte| *byte == 0));
    }
}
