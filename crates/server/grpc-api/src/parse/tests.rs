use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn sound() -> v1::Submission {
    v1::Submission {
        recipient: Some(v1::Recipient {
            key: "user-7".into(),
            msisdn: "+819012345678".into(),
        }),
        content: Some(v1::Content {
            sms: Some(v1::SmsContent {
                text: "Your code is 123456".into(),
                sender: "Hikyaku".into(),
            }),
        }),
        category: v1::Category::Otp.into(),
        receipt_wanted: v1::ReceiptWanted::Unspecified.into(),
        valid_for: Some(prost_types::Duration {
            seconds: 90,
            nanos: 5_000_000,
        }),
        send_at: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 250_000_000,
        }),
        idempotency_key: "once".into(),
        batch_id: "monday".into(),
        context: Bytes::from_static(b"\x00\xff"),
        labels: BTreeMap::from([("team".to_owned(), "login".to_owned())]),
    }
}

fn fields_refused(wire: v1::Submission) -> Vec<&'static str> {
    let refusal = submission(Some(wire)).unwrap_err();
    assert_eq!(refusal.reason, Reason::InvalidArgument);
    assert!(refusal.violations.iter().all(|v| !v.description.is_empty()));
    refusal.violations.iter().map(|v| v.field).collect()
}

#[test]
fn every_field_arrives() {
    let parsed = submission(Some(sound())).unwrap();
    let expected = Submission {
        recipient: "819012345678".parse().unwrap(),
        recipient_key: Some("user-7".into()),
        sender: SenderId::Alphanumeric("Hikyaku".into()),
        category: Category::Otp,
        text: Bytes::from_static(b"Your code is 123456"),
        receipt_wanted: ReceiptWanted::Always,
        valid_for_ms: Some(90_005),
        send_at_ms: Some(1_700_000_000_250),
        idempotency_key: Some("once".into()),
        batch_id: Some("monday".into()),
        context: Bytes::from_static(b"\x00\xff"),
        labels: vec![("team".into(), "login".into())],
    };
    assert_eq!(parsed, expected);
}

#[test]
fn what_may_be_left_out_takes_its_default() {
    let parsed = submission(Some(v1::Submission {
        recipient: Some(v1::Recipient {
            key: String::new(),
            msisdn: "819012345678".into(),
        }),
        content: sound().content,
        category: v1::Category::Promotional.into(),
        ..v1::Submission::default()
    }))
    .unwrap();
    assert_eq!(parsed.recipient_key, None);
    assert_eq!(parsed.receipt_wanted, ReceiptWanted::Always);
    assert_eq!((parsed.valid_for_ms, parsed.send_at_ms), (None, None));
    assert_eq!((parsed.idempotency_key, parsed.batch_id), (None, None));
    assert!(parsed.context.is_empty() && parsed.labels.is_empty());
}

#[test]
fn everything_that_is_missing_is_said_at_once() {
    assert_eq!(
        fields_refused(v1::Submission::default()),
        ["recipient.msisdn", "content.sms", "category"]
    );
    let refusal = submission(None).unwrap_err();
    assert_eq!(refusal.violations[0].field, "submission");
}

#[test]
fn each_limit_is_refused_by_its_field() {
    type Spoil = fn(&mut v1::Submission);
    fn sms(wire: &mut v1::Submission) -> &mut v1::SmsContent {
        wire.content
            .get_or_insert_default()
            .sms
            .get_or_insert_default()
    }
    let cases: [(&str, Spoil); 14] = [
        ("recipient.msisdn", |w| {
            w.recipient.get_or_insert_default().msisdn = "0123".into();
        }),
        ("recipient.key", |w| {
            w.recipient.get_or_insert_default().key = "k".repeat(RECIPIENT_KEY_MAX_BYTES + 1);
        }),
        ("content.sms.text", |w| sms(w).text.clear()),
        ("content.sms.text", |w| {
            sms(w).text = "x".repeat(TEXT_MAX_BYTES + 1)
        }),
        ("content.sms.sender", |w| {
            sms(w).sender = "TwelveLetter".into()
        }),
        ("category", |w| w.category = 99),
        ("receipt_wanted", |w| w.receipt_wanted = -1),
        ("idempotency_key", |w| {
            w.idempotency_key = "i".repeat(IDEMPOTENCY_KEY_MAX_BYTES + 1);
        }),
        ("batch_id", |w| {
            w.batch_id = "b".repeat(BATCH_ID_MAX_BYTES + 1)
        }),
        ("context", |w| {
            w.context = vec![0; CONTEXT_MAX_BYTES + 1].into()
        }),
        ("labels", |w| {
            w.labels = (0..=LABELS_MAX)
                .map(|n| (n.to_string(), String::new()))
                .collect();
        }),
        ("labels", |w| {
            w.labels.insert(String::new(), String::new());
        }),
        ("send_at", |w| {
            w.send_at = Some(prost_types::Timestamp {
                seconds: -1,
                nanos: 0,
            });
        }),
        ("valid_for", |w| {
            w.valid_for = Some(prost_types::Duration {
                seconds: 0,
                nanos: 999_999_999,
            });
        }),
    ];
    for (field, spoil) in cases {
        let mut wire = sound();
        spoil(&mut wire);
        assert_eq!(fields_refused(wire), [field]);
    }
}

#[test]
fn an_id_that_is_none_is_shown_with_its_place() {
    let id = message::IdSource::new(1).peek(5_000, 9);
    let good = id.to_string();
    let listed: Vec<MessageId> = message_ids("ids", &[good.clone(), good.clone()]).unwrap();
    assert_eq!(listed, [id, id]);
    let wrong = [good.clone(), good, "0\u{7}".into()];
    let refused = message_ids::<Vec<_>>("ids", &wrong).unwrap_err();
    assert_eq!(
        refused.message(),
        "ids[2] `0\\u{7}` is not the id of a message: a message id has 16 octets, or 36 characters as text, not 2; hand back an id as \
         the engine gave it"
    );
}

#[test]
fn the_limits_of_a_validity_are_those_that_are_told() {
    let span = |seconds, nanos| prost_types::Duration { seconds, nanos };
    let parsed = |span| valid_for_ms(&span, &mut Violations::default());
    assert_eq!(parsed(span(1, 0)), Some(engine::VALID_FOR_MIN_MS));
    assert_eq!(parsed(span(2_592_000, 0)), Some(2_592_000_000));
    for (seconds, nanos) in [
        (2_592_000, 1),
        (60, 1_000_000_000),
        (60, i32::MAX),
        (60, -1),
    ] {
        assert_eq!(parsed(span(seconds, nanos)), None, "{seconds} s {nanos} ns");
    }
    let mut wrong = Violations::default();
    assert_eq!(valid_for_ms(&span(0, 1_000_000), &mut wrong), None);
    assert_eq!(
        wrong.0[0].description,
        "0 s and 1000000 ns is out of range: 1 s to 2592000 s, with 0 to 999999999 ns"
    );
}

proptest! {
    #[test]
    fn no_span_or_time_on_the_wire_overflows(seconds in any::<i64>(), nanos in any::<i32>()) {
        let mut wrong = Violations::default();
        if let Some(ms) = valid_for_ms(&prost_types::Duration { seconds, nanos }, &mut wrong) {
            prop_assert!((1_000..=30 * 24 * 3_600 * 1_000).contains(&ms));
            prop_assert!((0..1_000_000_000).contains(&nanos));
        }
        if let Some(ms) = send_at_ms(&prost_types::Timestamp { seconds, nanos }, &mut wrong) {
            prop_assert_eq!(ms / 1_000, seconds.unsigned_abs());
        }
    }
}
