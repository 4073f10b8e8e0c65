//! The written log says what was sent; where it is gone, nothing says that a message was not.

mod rig;

use engine::Limits;
use message::{Category, MessageState, Reason};
use rig::{Answer, Directory, Script, caller, start, submission, submit, wait_for};

#[tokio::test]
async fn what_was_claimed_is_uncertain_when_files_of_the_written_log_are_missing() {
    let directory = Directory::new("written-missing");
    let script = Script::default();
    let mut ids = Vec::new();
    // Twice: the first life has begun with an empty log.
    for life in 1..=2 {
        let engine = start(&directory, &script, Limits::default());
        for id in &ids {
            let view = engine.handle().find(caller().tenant, *id).await.unwrap();
            assert!(view.uncertain, "nobody knows whether it was sent");
            assert_eq!(
                (view.state, view.reason),
                (MessageState::Attempting, Reason::PowerCut)
            );
        }
        script.answers.lock().unwrap().push_back(Answer::Silence);
        let silent = submit(&engine.handle(), submission(life, Category::Promotional)).await;
        ids.push(silent.unwrap().id);
        wait_for("it to be sent", || {
            script.seen.lock().unwrap().len() == ids.len()
        });
        engine.stop();
        engine.join().unwrap();
        for file in std::fs::read_dir(directory.0.join("written")).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    let engine = start(&directory, &script, Limits::default());
    assert_eq!(script.seen.lock().unwrap().len(), ids.len(), "sent once");
    engine.stop();
    engine.join().unwrap();
}
