//! Messages from handsets: sent until acknowledged, as receipts are.

use smpp_codec::{Address, Npi, Pdu, ShortMessage, Ton};

use super::{Carrier, Due, RECEIPT_TRIES_MAX};

/// Marks the key of a delivery that is no receipt.
const HANDSET: u64 = 1 << 40;

/// Which message from a handset a delivery's key stands for.
pub(super) fn handset_of(key: u64) -> Option<usize> {
    let at = key.checked_sub(HANDSET)?;
    usize::try_from(at).ok()
}

/// A message from a handset.
#[derive(Clone, Debug)]
pub(crate) struct FromHandset {
    /// Like no other of the run.
    pub(crate) text: String,
    pub(crate) tries: u32,
    /// When the engine took it over, in true time.
    pub(crate) acknowledged_ns: Option<u64>,
}

impl FromHandset {
    pub(super) const fn is_settled(&self) -> bool {
        self.acknowledged_ns.is_some() || self.tries >= RECEIPT_TRIES_MAX
    }
}

impl Carrier {
    /// Handsets will write at these times.
    pub(crate) fn handsets_write(&mut self, number: usize, at_ns: &[u64]) {
        for (at, at_ns) in at_ns.iter().enumerate() {
            self.handsets.push(FromHandset {
                text: format!("from handset {number}-{at}"),
                tries: 0,
                acknowledged_ns: None,
            });
            self.push_due(*at_ns, Due::Handset(at));
        }
    }

    pub(super) fn send_from_handsets(&mut self, now_ns: u64) {
        while let Some(at) = self.handsets_pending.front().copied()
            && let Some(number) = self.delivering()
        {
            self.handsets_pending.pop_front();
            let written = &mut self.handsets[at];
            if written.acknowledged_ns.is_some() {
                continue;
            }
            written.tries += 1;
            let pdu = Pdu::DeliverSm(ShortMessage {
                source: Address::new(Ton::International, Npi::Isdn, b"819012345000"),
                destination: Address::new(Ton::Unknown, Npi::Unknown, b"12345"),
                short_message: written.text.as_bytes(),
                ..ShortMessage::default()
            });
            let key = HANDSET + at as u64;
            let sent = self
                .connections
                .get_mut(&number)
                .map(|connection| connection.session.submit(key, &pdu, now_ns));
            if !matches!(sent, Some(Ok(_))) {
                return self.handset_unanswered(at, now_ns);
            }
        }
    }

    pub(super) fn handset_answered(&mut self, at: usize, status: u32, now_ns: u64) {
        if status == 0 {
            self.handsets[at].acknowledged_ns.get_or_insert(now_ns);
        } else {
            self.handset_unanswered(at, now_ns);
        }
    }

    pub(super) fn handset_unanswered(&mut self, at: usize, now_ns: u64) {
        if !self.handsets[at].is_settled() {
            let again_ns = self.retry_at(now_ns);
            self.push_due(again_ns, Due::Handset(at));
        }
    }
}
