//! Messages that the engine has forgotten are recalled as they were when they ended.

use engine::{EngineConfig, Handle, HistoryError, HistoryLimits};
use message::{MessageId, TenantId};
use partition::MessageView;

use super::{EAGER, admit, small, stop, until_final};
use crate::rig::{Directory, Script, caller, start_with};

/// An engine that remembers one finished message.
fn forgetful(directory: &Directory, history: HistoryLimits) -> EngineConfig {
    let mut config = small(directory, history);
    config.limits.partition.finished = 1;
    config
}

/// Messages that have ended, and what the engine said of each before it forgot it.
async fn ended(handle: &Handle) -> Vec<(MessageId, MessageView)> {
    let mut views = Vec::new();
    for nth in 0..40 {
        let id = admit(handle, nth).await;
        until_final(handle, id).await;
        let view = handle.find(caller().tenant, id).await.unwrap();
        views.push((id, view));
    }
    views
}

async fn forgotten_and_recalled(handle: &Handle, views: &[(MessageId, MessageView)]) {
    let mut forgotten = 0;
    for (id, view) in views {
        forgotten += usize::from(handle.find(caller().tenant, *id).await.is_none());
        let recalled = handle.recall(caller().tenant, *id).await;
        assert_eq!(recalled.as_ref(), Ok(view));
    }
    assert!(forgotten >= views.len() / 2, "{forgotten} were forgotten");
}

#[tokio::test]
async fn a_forgotten_message_is_recalled_as_it_ended() {
    let directory = Directory::new("recalled");
    let engine = start_with(forgetful(&directory, EAGER), &Script::default());
    let handle = engine.handle();
    let views = ended(&handle).await;
    forgotten_and_recalled(&handle, &views).await;
    let stranger = TenantId::of(&"stranger".parse().unwrap());
    let asked = handle.recall(stranger, views[0].0).await;
    assert_eq!(asked, Err(HistoryError::Unknown));
    let never = message::IdSource::new(1).peek(1, 1);
    let asked = handle.recall(caller().tenant, never).await;
    assert_eq!(asked, Err(HistoryError::Unknown));
    stop(engine);

    let engine = start_with(forgetful(&directory, EAGER), &Script::default());
    forgotten_and_recalled(&engine.handle(), &views).await;
    stop(engine);
}

#[tokio::test]
async fn what_is_not_indexed_yet_is_recalled_from_the_journal() {
    let directory = Directory::new("recalled-unindexed");
    let lazy = HistoryLimits {
        feed_every_ms: 3_600_000,
        ..EAGER
    };
    let engine = start_with(forgetful(&directory, lazy), &Script::default());
    let views = ended(&engine.handle()).await;
    forgotten_and_recalled(&engine.handle(), &views).await;
    stop(engine);
}
