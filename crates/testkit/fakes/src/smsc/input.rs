//! The receive buffer of a connection.

use smpp_codec::FrameLimit;

/// Most octets of one read.
pub(crate) const READ_MAX_BYTES: usize = 64 * 1024;

/// Octets read and not yet understood.
pub(crate) struct Input {
    octets: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Input {
    /// Room for the longest PDU, less an octet, and a read behind it.
    pub(crate) fn new() -> Self {
        let longest = usize::try_from(FrameLimit::default().max_bytes()).unwrap_or(READ_MAX_BYTES);
        Self {
            octets: vec![0; longest + READ_MAX_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.octets[self.start..self.end]
    }

    pub(crate) fn consume(&mut self, octets: usize) {
        self.start += octets;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room for the next read, at most `max_bytes` and at least one octet: a session leaves less than the longest PDU unread.
    pub(crate) fn room(&mut self, max_bytes: usize) -> &mut [u8] {
        if self.octets.len() - self.end < READ_MAX_BYTES {
            self.octets.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let until = self.octets.len().min(self.end + max_bytes);
        &mut self.octets[self.end..until]
    }

    pub(crate) fn filled(&mut self, octets: usize) {
        self.end += octets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_moves_to_the_front_when_room_runs_out() {
        let mut input = Input::new();
        let mut next = 0_u8;
        let mut expected = 0_u8;
        for _ in 0..200 {
            let room = input.room(READ_MAX_BYTES);
            assert_eq!(room.len(), READ_MAX_BYTES);
            let octets = room.len() - 7;
            for octet in &mut room[..octets] {
                *octet = next;
                next = next.wrapping_add(1);
            }
            input.filled(octets);
            // All but a few are understood, as if the rest were the start of a PDU.
            let used = input.unread().len() - 1_000;
            for octet in &input.unread()[..used] {
                assert_eq!(*octet, expected);
                expected = expected.wrapping_add(1);
            }
            input.consume(used);
        }
        input.consume(input.unread().len());
        assert_eq!(input.room(1).len(), 1);
        assert!(input.unread().is_empty());
    }
}
