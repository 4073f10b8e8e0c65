//! The fields of a record, by name: numbers of people and what was written to them only where somebody asked for them.

use std::collections::HashMap;

use engine::{Event, EventKey, Opened};
use journal::keyed::{EntryMark, Key};
use message::{LANES, MessageId, MessageState, Msisdn, OutcomeClass, Reason, ReceiptState};
use partition::Record;
use partition::record::{self, Idempotency, Segment, joined};
use serde_json::{Value, json};

use super::records::Entered;

/// What of people is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privacy {
    /// The last two digits of a number, and of texts how long they are.
    Masked,
    /// Everything.
    Unmasked,
}

/// What the numbers in records stand for, as the journal last said.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<(String, u32), String>);

impl Names {
    /// What follows was written under these names.
    pub(super) fn learn(&mut self, opened: &Opened) {
        let names = opened.names.iter();
        self.0 = names
            .map(|name| ((name.kind.clone(), name.number), name.slug.clone()))
            .collect();
    }

    fn of(&self, kind: &str, number: u32) -> String {
        let known = self.0.get(&(kind.to_owned(), number));
        known.cloned().unwrap_or_else(|| format!("{number:08x}"))
    }
}

/// A record, ready to be printed.
pub(super) struct Shown {
    /// The message it is about, if it is about one.
    pub(super) message: Option<MessageId>,
    /// When it was made, where it says so, in milliseconds since the epoch.
    pub(super) at_ms: u64,
    /// Its other fields, in the order of the record; those that say nothing are left out.
    pub(super) fields: Vec<(&'static str, Value)>,
}

/// The fields of a record.
pub(super) fn show(entered: &Entered, names: &Names, privacy: Privacy) -> Shown {
    let mut page = Page {
        names,
        privacy,
        shown: Shown {
            message: None,
            at_ms: 0,
            fields: Vec::new(),
        },
    };
    match entered {
        Entered::Opened(opened) => page.shown.fields.extend(super::opened::fields(opened)),
        Entered::Record(record) => page.record(record),
        Entered::Mark(mark) => page.mark(mark),
        Entered::Event(key, event) => page.event(*key, event),
    }
    page.shown
}

struct Page<'a> {
    names: &'a Names,
    privacy: Privacy,
    shown: Shown,
}

impl Page<'_> {
    fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.shown.fields.push((name, value.into()));
    }

    fn number(&mut self, name: &'static str, value: impl Into<u64>) {
        let value = value.into();
        if value != 0 {
            self.put(name, value);
        }
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        if value {
            self.put(name, true);
        }
    }

    fn word(&mut self, name: &'static str, value: &str) {
        if !value.is_empty() {
            self.put(name, value);
        }
    }

    fn named(&mut self, name: &'static str, number: u32) {
        if number != 0 {
            self.put(name, self.names.of(name, number));
        }
    }

    /// Text that a person wrote or reads.
    fn body(&mut self, names: [&'static str; 2], octets: &[u8]) {
        match self.privacy {
            Privacy::Masked => self.number(names[1], octets.len() as u64),
            Privacy::Unmasked => self.word(names[0], &String::from_utf8_lossy(octets)),
        }
    }

    /// A number of a person, or a word that stands for one.
    fn person(&mut self, name: &'static str, text: &str) {
        match self.privacy {
            Privacy::Unmasked => self.word(name, text),
            Privacy::Masked => {
                let kept = text.char_indices().rev().nth(1).map_or(0, |(at, _)| at);
                if !text.is_empty() {
                    self.put(name, format!("…{}", &text[kept..]));
                }
            }
        }
    }

    /// A sender is a word to be read by everybody, unless it is a number.
    fn sender(&mut self, sender: &str) {
        let is_number = sender
            .strip_prefix('+')
            .unwrap_or(sender)
            .bytes()
            .all(|octet| octet.is_ascii_digit());
        if is_number {
            self.person("sender", sender);
        } else {
            self.word("sender", sender);
        }
    }

    fn octets(&mut self, name: &'static str, octets: &[u8]) {
        if octets.iter().all(u8::is_ascii_graphic) {
            self.word(name, &String::from_utf8_lossy(octets));
        } else {
            let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            self.word(name, &format!("0x{digits}"));
        }
    }

    /// A number that has a name; one of a newer release stays a number.
    fn known(&mut self, name: &'static str, number: u32, word: Option<&str>) {
        match word {
            Some(word) => self.put(name, word),
            None => self.number(name, number),
        }
    }

    fn reason(&mut self, number: u32) {
        let known = u16::try_from(number).ok().and_then(Reason::from_number);
        if number != 0 {
            self.known("reason", number, known.map(Reason::name));
        }
    }

    fn state(&mut self, number: u32) {
        let known = u8::try_from(number)
            .ok()
            .and_then(MessageState::from_number);
        self.known("state", number, known.map(MessageState::name));
    }

    fn receipt_state(&mut self, number: u32) {
        let known = u8::try_from(number)
            .ok()
            .and_then(ReceiptState::from_number);
        let word = known.map(|state| match state {
            ReceiptState::Enroute => "enroute",
            ReceiptState::Delivered => "delivered",
            ReceiptState::Expired => "expired",
            ReceiptState::Deleted => "deleted",
            ReceiptState::Undeliverable => "undeliverable",
            ReceiptState::Accepted => "accepted",
            ReceiptState::Unknown => "unknown",
            ReceiptState::Rejected => "rejected",
        });
        self.known("receipt", number, word);
    }

    fn status(&mut self, status: u32) {
        self.put("status", format!("0x{status:08x}"));
    }

    fn segment(&mut self, segment: Segment) {
        self.shown.message = joined(segment.id_high, segment.id_low);
        self.number("leg", segment.leg);
        self.number("attempt", segment.attempt);
        self.number("segment", segment.segment);
    }

    fn idempotency(&mut self, key: &Idempotency) {
        let hash = format!("{:016x}{:016x}", key.key_high, key.key_low);
        self.put("idempotency_key_hash", hash);
        self.put("idempotency_body_hash", format!("{:016x}", key.body));
        self.put("idempotency_until_ms", key.until_ms);
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Admitted(record) => self.admitted(record),
            Record::Claimed(record) => self.segment(record.segment),
            Record::Written(record) => {
                self.shown.at_ms = record.at_ms;
                self.segment(record.segment);
                self.named("carrier", record.carrier);
                self.number("session", record.session);
            }
            Record::Outcome(record) => self.outcome(record),
            Record::Receipt(record) => self.receipt(record),
            Record::Final(record) => {
                self.shown.at_ms = record.at_ms;
                self.segment(record.segment);
                self.state(record.state);
                self.reason(record.reason);
            }
            Record::EarlyReceipt(record) => self.early_receipt(record),
            Record::Inbound(record) => self.inbound(record),
            Record::InboundDone(record) => {
                self.shown.message = joined(record.id_high, record.id_low);
                self.put("acknowledged", record.acknowledged);
            }
            Record::KeyKept(record) => {
                self.segment(record.segment);
                self.idempotency(&record.idempotency);
            }
            Record::Carried(record) => self.carried(record),
            Record::Replaced(record) => {
                self.shown.at_ms = record.at_ms;
                self.segment(record.segment);
                self.sender(&record.sender);
                self.body(["text", "text_bytes"], &record.text);
                self.number("segments", record.segments);
                self.number("expires_ms", record.expires_ms);
                self.number("send_at_ms", record.send_at_ms);
                self.number("cost_bytes", record.cost_bytes);
            }
        }
    }

    fn carried(&mut self, record: &record::Carried) {
        self.admitted(&record.message);
        self.shown.at_ms = record.at_ms;
        self.number("admitted_ms", record.message.admitted_ms);
        self.number("admitted_at", record.admitted_at);
        self.state(record.state);
        self.reason(record.reason);
        self.number("sequence", record.sequence);
        self.number("attempt", record.attempt);
        self.number("tries", record.tries);
        self.flag("resent", record.resent);
        self.flag("ever_uncertain", record.ever_uncertain);
        self.flag("released", record.released);
        self.number("doubts", record.doubts.len() as u64);
        self.named("carrier", record.carrier);
        for taken in &record.taken {
            self.octets("carrier_message_id", &taken.carrier_message_id);
        }
        self.number("due_ms", record.due_ms);
        self.number("changed_ms", record.changed_ms);
    }

    fn admitted(&mut self, record: &record::Admitted) {
        self.shown.message = joined(record.id_high, record.id_low);
        self.shown.at_ms = record.admitted_ms;
        self.named("tenant", record.tenant);
        self.put("caller", format!("{:08x}", record.caller));
        self.named("group", record.group);
        let category = partition::category_of(record.category).ok();
        self.known("category", record.category, category.map(|it| it.name()));
        let lane = usize::try_from(record.lane)
            .ok()
            .and_then(|at| LANES.get(at));
        self.known("lane", record.lane, lane.map(|lane| lane.name()));
        self.recipient(record.recipient);
        self.person("recipient_key", &record.recipient_key);
        self.sender(&record.sender);
        self.body(["text", "text_bytes"], &record.text);
        self.number("segments", record.segments);
        self.put("receipt_wanted", record.receipt_wanted);
        self.number("expires_ms", record.expires_ms);
        self.number("send_at_ms", record.send_at_ms);
        self.flag("claimed", record.claimed);
        if let Some(key) = &record.idempotency {
            self.idempotency(key);
        }
        self.word("batch_id", &record.batch_id);
        self.body(["context", "context_bytes"], &record.context);
        match self.privacy {
            Privacy::Masked => self.number("labels", record.labels.len() as u64),
            Privacy::Unmasked if record.labels.is_empty() => {}
            Privacy::Unmasked => {
                let labels = record.labels.iter();
                let pairs = labels.map(|label| (label.key.clone(), json!(label.value)));
                self.put("labels", Value::Object(pairs.collect()));
            }
        }
        self.number("cost_bytes", record.cost_bytes);
        self.put("config_version", format!("{:08x}", record.config_version));
    }

    fn recipient(&mut self, number: u64) {
        match (self.privacy, Msisdn::from_u64(number)) {
            (Privacy::Masked, Ok(number)) => self.put("recipient", format!("{number:?}")),
            (Privacy::Unmasked, Ok(number)) => {
                let digits = number.digits();
                self.put("recipient", format!("+{}", &*digits));
            }
            (_, Err(error)) => self.put("recipient", error.to_string()),
        }
    }

    fn outcome(&mut self, record: &record::Outcome) {
        self.shown.at_ms = record.at_ms;
        self.segment(record.segment);
        let class = u8::try_from(record.outcome)
            .ok()
            .and_then(OutcomeClass::from_number);
        self.known("outcome", record.outcome, class.map(OutcomeClass::name));
        self.reason(record.reason);
        self.status(record.status);
        self.named("carrier", record.carrier);
        self.number("session", record.session);
        self.octets("carrier_message_id", &record.carrier_message_id);
        self.number("next_attempt", record.next_attempt);
        self.number("next_at_ms", record.next_at_ms);
        self.number("deadline_ms", record.deadline_ms);
    }

    fn receipt(&mut self, record: &record::Receipt) {
        self.shown.at_ms = record.at_ms;
        self.segment(record.segment);
        self.receipt_state(record.state);
        self.word("error", &record.error);
        self.named("carrier", record.carrier);
        self.octets("carrier_message_id", &record.carrier_message_id);
        self.flag("by_address", record.by_address);
        self.flag("late", record.late);
    }

    fn early_receipt(&mut self, record: &record::EarlyReceipt) {
        self.shown.at_ms = record.at_ms;
        self.put("partition", record.partition);
        if record.state == 0 {
            self.put("handed_over", true);
        } else {
            self.receipt_state(record.state);
        }
        self.word("error", &record.error);
        self.named("carrier", record.carrier);
        self.octets("carrier_message_id", &record.carrier_message_id);
        self.number("until_ms", record.until_ms);
    }

    fn inbound(&mut self, record: &record::Inbound) {
        self.shown.message = joined(record.id_high, record.id_low);
        self.shown.at_ms = record.at_ms;
        self.named("carrier", record.carrier);
        self.person("from", &record.from);
        self.person("to", &record.to);
        self.body(["text", "text_bytes"], record.text.as_bytes());
        match self.privacy {
            Privacy::Masked => self.number("octets", record.octets.len() as u64),
            Privacy::Unmasked => self.octets("octets", &record.octets),
        }
        self.put("data_coding", record.data_coding);
    }

    fn key(&mut self, key: Key) {
        self.put("key", format!("{}.{}", key.position, key.ordinal));
    }

    fn mark(&mut self, mark: &EntryMark) {
        self.shown.at_ms = mark.made_ms;
        self.key(mark.through);
        self.flag("gap", mark.is_gap);
        self.put("synced", mark.synced.0);
        let note: Vec<_> = mark
            .note
            .iter()
            .map(|word| format!("{word:016x}"))
            .collect();
        self.put("note", note);
    }

    fn event(&mut self, key: EventKey, event: &Event) {
        self.shown.message = Some(event.message);
        self.shown.at_ms = event.at_ms;
        self.key(key);
        self.put("state", event.state.name());
        self.reason(u32::from(event.reason.number()));
        self.number("sequence", event.sequence);
        self.number("leg", event.leg);
        self.number("attempt", event.attempt);
        self.number("segment", event.segment);
        self.number("segments", event.segments);
        self.status(event.status);
        self.named("carrier", event.carrier.map_or(0, |carrier| carrier.0));
        self.named("tenant", event.tenant.0);
        self.put("caller", format!("{:08x}", event.caller.0));
        self.flag("uncertain", event.uncertain);
        self.flag("late", event.late);
        self.word("batch_id", event.batch_id.as_deref().unwrap_or(""));
        self.body(["context", "context_bytes"], &event.context);
        self.put("config_version", format!("{:08x}", event.config_version));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted() -> Entered {
        Entered::Record(Record::Admitted(Box::new(record::Admitted {
            id_high: 0x0193_6c1e_8a2b_7003,
            id_low: 0x8000_0000_01a2_b3c4,
            recipient: 819_012_345_678,
            recipient_key: "person-4711".into(),
            sender: "+4915112345678".into(),
            text: "Your code is 1234".into(),
            context: "order 99".into(),
            labels: vec![record::Label {
                key: "who".into(),
                value: "somebody".into(),
            }],
            category: 1,
            ..record::Admitted::default()
        })))
    }

    fn page(privacy: Privacy) -> String {
        let shown = show(&admitted(), &Names::default(), privacy);
        format!("{:?}", shown.fields)
    }

    #[test]
    fn people_are_masked_unless_somebody_asks() {
        let secrets = [
            "819012345678",
            "4915112345678",
            "person-4711",
            "code is",
            "order 99",
            "somebody",
        ];
        let masked = page(Privacy::Masked);
        for secret in secrets {
            assert!(!masked.contains(secret), "{secret}: {masked}");
        }
        assert!(
            masked.contains("…78") && masked.contains("text_bytes"),
            "{masked}"
        );
        let unmasked = page(Privacy::Unmasked);
        for secret in secrets {
            assert!(unmasked.contains(secret), "{secret}: {unmasked}");
        }
    }

    #[test]
    fn numbers_get_the_names_that_the_journal_says() {
        let mut names = Names::default();
        names.learn(&Opened {
            names: vec![engine::OpenedName {
                kind: "carrier".into(),
                number: 7,
                slug: "north".into(),
            }],
            ..Opened::default()
        });
        let written = record::Written {
            carrier: 7,
            ..record::Written::default()
        };
        let shown = show(
            &Entered::Record(Record::Written(written)),
            &names,
            Privacy::Masked,
        );
        assert_eq!(shown.fields, [("carrier", json!("north"))]);
    }
}
