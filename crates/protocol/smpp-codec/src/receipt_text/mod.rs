//! The text of a delivery receipt (SMPP 3.4, Appendix B), as carriers really write it.
//!
//! The format is declared vendor specific, and it is: fields are missing, in another case, with longer dates, without
//! labels. So the parser scans for labels instead of following a grammar; every field is optional, nothing is an error,
//! nothing is allocated. TLVs (receipted_message_id, message_state, network_error_code) are better evidence; which of
//! the two wins is the caller's rule.
//!
//! Rules, in the order in which they bite:
//! * A label is one of `id sub dlvrd submit date done date stat err text`, in any case, followed by a colon and not
//!   preceded by a letter or digit. `submit_date`, `submitdate` and `status` are read too.
//! * A value ends where the next label starts; of all but the text the first word counts. A blank value is absent.
//! * The first value of a label wins.
//! * Nothing behind `text:` is looked at: it is the sender's own wording and could imitate a label.
//! * Without a `stat` label, the first word that spells a status counts.
//!
//! The input is 8-bit text. A body with data_coding 8 must be turned into that first.

mod date;
mod stat;

pub use date::{parse_receipt_date, receipt_date};
pub use stat::ReceiptStat;

use bytes::{BufMut, BytesMut};

/// Longest text that the writer repeats, in octets, by Appendix B.
const TEXT_MAX: usize = 20;

/// Labels and their other spellings. No entry may be a suffix of a later one behind a word boundary.
const LABELS: [(&[u8], Label); 13] = [
    (b"id", Label::Id),
    (b"sub", Label::Sub),
    (b"dlvrd", Label::Dlvrd),
    (b"submit date", Label::SubmitDate),
    (b"submit_date", Label::SubmitDate),
    (b"submitdate", Label::SubmitDate),
    (b"done date", Label::DoneDate),
    (b"done_date", Label::DoneDate),
    (b"donedate", Label::DoneDate),
    (b"stat", Label::Stat),
    (b"status", Label::Stat),
    (b"err", Label::Err),
    (b"text", Label::Text),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Id,
    Sub,
    Dlvrd,
    SubmitDate,
    DoneDate,
    Stat,
    Err,
    Text,
}

/// A receipt's text, taken apart. All values are as they came, blanks around them removed.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiptText<'a> {
    /// The carrier's message id: ten decimal digits on paper, anything in reality.
    pub id: Option<&'a [u8]>,
    /// Messages submitted, usually `001`.
    pub sub: Option<&'a [u8]>,
    /// Messages delivered, usually `001` or `000`.
    pub dlvrd: Option<&'a [u8]>,
    /// When it was submitted, in the carrier's unknown time zone; see [`parse_receipt_date`].
    pub submit_date: Option<&'a [u8]>,
    /// When it reached its final state; see [`parse_receipt_date`].
    pub done_date: Option<&'a [u8]>,
    /// The status, when it is a known one.
    pub stat: Option<ReceiptStat>,
    /// The word that stood for the status, known or not.
    pub stat_text: Option<&'a [u8]>,
    /// Error code: one to four characters, by the carrier's own table.
    pub err: Option<&'a [u8]>,
    /// Start of the message's text; private, so hidden in Debug.
    pub text: Option<&'a [u8]>,
}

impl<'a> ReceiptText<'a> {
    /// Takes a receipt apart. Costs a small constant times the length of `body`.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Self {
        let mut receipt = Self::default();
        let mut open: Option<(Label, usize)> = None;
        let mut labelled_end = body.len();
        for (colon, _) in body.iter().enumerate().filter(|(_, octet)| **octet == b':') {
            let Some((label, start)) = label_before(&body[..colon]) else {
                continue;
            };
            if let Some((open_label, from)) = open {
                if start < from {
                    continue;
                }
                receipt.set(open_label, &body[from..start]);
            }
            open = Some((label, colon + 1));
            if label == Label::Text {
                labelled_end = start;
                break;
            }
        }
        if let Some((label, from)) = open {
            receipt.set(label, &body[from..]);
        }
        if receipt.stat_text.is_none() {
            receipt.find_bare_stat(&body[..labelled_end]);
        }
        receipt
    }

    /// True when both id and status were found: enough to take a deliver_sm without the receipt bit for a receipt,
    /// where the carrier's configuration asks for that guess.
    #[must_use]
    pub const fn looks_like_receipt(&self) -> bool {
        self.id.is_some() && self.stat.is_some()
    }

    /// Appends the receipt in the form of Appendix B.
    ///
    /// Absent fields get what message centers send in their place: `sub:001`, `dlvrd` by the status, `0000000000` for
    /// an id or a date, `UNKNOWN`, `000`, an empty text. At most 20 octets of the text are written.
    pub fn write(&self, out: &mut BytesMut) {
        const NO_DIGITS: &[u8] = b"0000000000";
        let stat = self.stat.unwrap_or(ReceiptStat::Unknown);
        let dlvrd: &[u8] = if stat == ReceiptStat::Delivered {
            b"001"
        } else {
            b"000"
        };
        let text = self.text.unwrap_or_default();
        let parts: [&[u8]; 16] = [
            b"id:",
            self.id.unwrap_or(NO_DIGITS),
            b" sub:",
            self.sub.unwrap_or(b"001"),
            b" dlvrd:",
            self.dlvrd.unwrap_or(dlvrd),
            b" submit date:",
            self.submit_date.unwrap_or(NO_DIGITS),
            b" done date:",
            self.done_date.unwrap_or(NO_DIGITS),
            b" stat:",
            stat.as_str().as_bytes(),
            b" err:",
            self.err.unwrap_or(b"000"),
            b" text:",
            text.get(..TEXT_MAX).unwrap_or(text),
        ];
        out.reserve(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            out.put_slice(part);
        }
    }

    fn set(&mut self, label: Label, raw: &'a [u8]) {
        let trimmed = trim(raw);
        let word = first_word(trimmed);
        match label {
            Label::Id => self.id = self.id.or(word),
            Label::Sub => self.sub = self.sub.or(word),
            Label::Dlvrd => self.dlvrd = self.dlvrd.or(word),
            Label::SubmitDate => self.submit_date = self.submit_date.or(word),
            Label::DoneDate => self.done_date = self.done_date.or(word),
            Label::Err => self.err = self.err.or(word),
            Label::Text => self.text = Some(trimmed).filter(|text| !text.is_empty()),
            Label::Stat => {
                if self.stat_text.is_none() {
                    self.stat_text = word;
                    self.stat = word.and_then(ReceiptStat::from_word);
                }
            }
        }
    }

    fn find_bare_stat(&mut self, body: &'a [u8]) {
        let found = body
            .split(|octet| !octet.is_ascii_alphanumeric())
            .find_map(|word| ReceiptStat::from_word(word).map(|stat| (word, stat)));
        if let Some((word, stat)) = found {
            self.stat = Some(stat);
            self.stat_text = Some(word);
        }
    }
}

impl std::fmt::Debug for ReceiptText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |value: Option<&[u8]>| value.map(|octets| octets.escape_ascii().to_string());
        f.debug_struct("ReceiptText")
            .field("id", &shown(self.id))
            .field("sub", &shown(self.sub))
            .field("dlvrd", &shown(self.dlvrd))
            .field("submit_date", &shown(self.submit_date))
            .field("done_date", &shown(self.done_date))
            .field("stat", &self.stat)
            .field("stat_text", &shown(self.stat_text))
            .field("err", &shown(self.err))
            .field("text_len", &self.text.map(<[u8]>::len))
            .finish()
    }
}

/// The label at the end of `head`, and where it starts.
fn label_before(head: &[u8]) -> Option<(Label, usize)> {
    let head = head.trim_ascii_end();
    LABELS.iter().find_map(|(name, label)| {
        let start = head.len().checked_sub(name.len())?;
        let (before, tail) = head.split_at(start);
        let stands_alone = before
            .last()
            .is_none_or(|octet| !octet.is_ascii_alphanumeric());
        (stands_alone && tail.eq_ignore_ascii_case(name)).then_some((*label, start))
    })
}

/// Without blanks and NULs around it.
fn trim(raw: &[u8]) -> &[u8] {
    let start = raw
        .iter()
        .position(|octet| !is_blank(octet))
        .unwrap_or(raw.len());
    let end = raw
        .iter()
        .rposition(|octet| !is_blank(octet))
        .map_or(start, |last| last + 1);
    &raw[start..end]
}

/// Some carriers end fields with a NUL, so it separates as a space does.
const fn is_blank(octet: &u8) -> bool {
    octet.is_ascii_whitespace() || *octet == 0
}

fn first_word(trimmed: &[u8]) -> Option<&[u8]> {
    trimmed
        .split(is_blank)
        .next()
        .filter(|word| !word.is_empty())
}
