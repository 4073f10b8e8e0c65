//! A draft as a submission. Numbers begin with +999, which is assigned to nobody, so that no person's number is ever in a load, wherever it
//! is pointed.

use grpc_api::v1;
use message::Category;

use crate::mix::Draft;

/// Which run a message belongs to: another run's events may still come through a watch of the same caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(pub(crate) u64);

const CONTEXT_LENGTH: usize = 16;

/// Message `nth` of a run.
pub(crate) fn streamed(run: RunId, nth: u64, draft: Draft) -> v1::StreamedSubmission {
    let submission = v1::Submission {
        recipient: Some(v1::Recipient {
            key: String::new(),
            msisdn: format!("999{:012}", draft.recipient % 1_000_000_000_000),
        }),
        content: Some(v1::Content {
            sms: Some(v1::SmsContent {
                text: text(nth, usize::from(draft.text_length)),
                sender: format!("Load{}", draft.sender % 1_000_000),
            }),
        }),
        category: category(draft.category).into(),
        receipt_wanted: v1::ReceiptWanted::Always.into(),
        context: context(run, nth).into(),
        ..v1::Submission::default()
    };
    v1::StreamedSubmission {
        client_ref: nth,
        submission: Some(submission),
    }
}

/// The message that an event is about, if it is one of this run.
pub(crate) fn nth_of(run: RunId, context: &[u8]) -> Option<u64> {
    let context: [u8; CONTEXT_LENGTH] = context.try_into().ok()?;
    let word = |from: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&context[from..from + 8]);
        u64::from_le_bytes(bytes)
    };
    (word(0) == run.0).then(|| word(8))
}

fn context(run: RunId, nth: u64) -> Vec<u8> {
    let mut context = Vec::with_capacity(CONTEXT_LENGTH);
    context.extend_from_slice(&run.0.to_le_bytes());
    context.extend_from_slice(&nth.to_le_bytes());
    context
}

/// The number, then a filler up to the length.
fn text(nth: u64, length: usize) -> String {
    const FILLER: &str =
        "Your parcel is on its way and will be with you today between two and four. ";
    let mut text = String::with_capacity(length);
    text.push_str(&format!("{nth:>10} "));
    while text.len() < length {
        let left = length - text.len();
        text.push_str(&FILLER[..left.min(FILLER.len())]);
    }
    text
}

const fn category(category: Category) -> v1::Category {
    match category {
        Category::Otp => v1::Category::Otp,
        Category::Alert => v1::Category::Alert,
        Category::Transactional => v1::Category::Transactional,
        Category::Promotional => v1::Category::Promotional,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::{Mix, TEXT_LENGTH_MAX, TEXT_LENGTH_MIN};

    #[test]
    fn a_draft_becomes_what_it_says() {
        let mix = Mix {
            text_length: TEXT_LENGTH_MIN..=TEXT_LENGTH_MAX,
            recipients: u64::MAX,
            senders: u32::MAX,
            ..Mix::default()
        };
        for nth in 0..2_000 {
            let draft = mix.draft(nth);
            let submission = streamed(RunId(9), nth, draft).submission.unwrap();
            let sms = submission.content.unwrap().sms.unwrap();
            assert_eq!(sms.text.len(), usize::from(draft.text_length));
            assert!((4..=11).contains(&sms.sender.len()), "{}", sms.sender);
            assert_eq!(submission.recipient.unwrap().msisdn.len(), 15);
        }
    }

    #[test]
    fn an_event_is_known_by_its_context() {
        let context = context(RunId(5), 77);
        assert_eq!(nth_of(RunId(5), &context), Some(77));
        assert_eq!(nth_of(RunId(6), &context), None);
        assert_eq!(nth_of(RunId(5), b"another caller's"), None);
        assert_eq!(nth_of(RunId(5), b"short"), None);
    }
}
