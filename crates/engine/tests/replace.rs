//! New content by id, from handle to connector.

mod rig;

use engine::{Limits, ReplaceVerdict, Replacement};
use message::{Category, MessageId, Reason};
use rig::{Directory, Script, caller, start, submission, submit, wait_for};

fn replacement(text: &str) -> Replacement {
    Replacement {
        text: text.to_owned().into(),
        sender: "Shop".parse().expect("a sender"),
        segments: 1,
        valid_for_ms: None,
        send_at_ms: None,
    }
}

/// What was sent of a message.
fn sent(script: &Script, id: MessageId) -> Vec<Vec<u8>> {
    let seen = script.seen.lock().expect("the carrier lives");
    let of = seen.iter().filter(|it| it.segment.message == id);
    of.map(|it| it.payload.text.to_vec()).collect()
}

#[tokio::test]
async fn a_waiting_message_says_the_new_words_and_never_the_old() {
    let directory = Directory::new("replace");
    let script = Script::default();
    let engine = start(&directory, &script, Limits::default());
    let handle = engine.handle();
    let tenant = caller().tenant;
    let later = message::Submission {
        send_at_ms: Some(rig::now().wall_ms + 60_000),
        ..submission(1, Category::Alert)
    };
    let id = submit(&handle, later).await.expect("admitted").id;
    let verdict = handle.replace((tenant, id), replacement("first")).await;
    assert_eq!(verdict, Ok(ReplaceVerdict::Replaced));
    let now = Replacement {
        send_at_ms: Some(0),
        ..replacement("second")
    };
    let verdict = handle.replace((tenant, id), now).await;
    assert_eq!(verdict, Ok(ReplaceVerdict::Replaced));
    wait_for("the message to be sent", || !sent(&script, id).is_empty());
    assert_eq!(sent(&script, id), [b"second"]);
    let verdict = handle.replace((tenant, id), replacement("third")).await;
    assert!(matches!(verdict, Ok(ReplaceVerdict::TooLate { .. })));

    let long = handle.replace((tenant, id), replacement(&"x".repeat(161)));
    let refusal = long.await.expect_err("two segments are not built yet");
    assert_eq!(refusal.reason, Reason::TextTooLong);
    let far_ms = rig::now().wall_ms + engine::SEND_AT_HORIZON_MS + 60_000;
    let far = Replacement {
        send_at_ms: Some(far_ms),
        ..replacement("far")
    };
    let refusal = handle.replace((tenant, id), far).await;
    let refusal = refusal.expect_err("beyond the horizon");
    assert_eq!(refusal.violations[0].field, "send_at");
    let told = &refusal.violations[0].description;
    let allowed = format!("at most {} ms ahead", engine::SEND_AT_HORIZON_MS);
    for part in [&*far_ms.to_string(), &allowed] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let stranger = message::TenantId(1);
    let verdict = handle.replace((stranger, id), replacement("theirs")).await;
    assert_eq!(verdict, Ok(ReplaceVerdict::Unknown));
    engine.stop();
    engine.join().expect("an orderly end");
}

/// However the race between a replacement and the lane ends, one text is sent, and the answer says which.
#[tokio::test]
async fn what_is_answered_is_what_is_sent() {
    let directory = Directory::new("replace-race");
    let script = Script::default();
    let engine = start(&directory, &script, Limits::default());
    let handle = engine.handle();
    let tenant = caller().tenant;
    let mut replaced = Vec::new();
    for number in 0..200 {
        let id = submit(&handle, submission(number, Category::Promotional)).await;
        let id = id.expect("admitted").id;
        let mut last = None;
        for text in ["new", "newer"] {
            let verdict = handle.replace((tenant, id), replacement(text)).await;
            if verdict.expect("nothing is wrong with it") == ReplaceVerdict::Replaced {
                last = Some(text);
            }
        }
        replaced.push((number, id, last));
    }
    for (number, id, last) in replaced {
        wait_for("the message to be sent", || !sent(&script, id).is_empty());
        let old = format!("your code is {number:06}");
        let expected = last.map_or(old.into_bytes(), |text| text.as_bytes().to_vec());
        assert_eq!(sent(&script, id), [expected]);
    }
    engine.stop();
    engine.join().expect("an orderly end");
}
