//! A disk that fills up, on a small file system of its own: submissions are refused by name, what was in flight comes to its end, and
//! when there is space again everything goes on without anybody's help. Nothing is lost and nothing is sent twice.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine_process::caller::{Caller, connect, submission, submit, wait_for_state};
use engine_process::{EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};
use grpc_api::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

/// Room for the files of both logs and of whatever else the engine keeps, and for the ballast that fills the rest.
const DISK_MIB: u32 = 64;

/// A small file system in memory; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(path: &Path) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let size = format!("size={DISK_MIB}m,mode=0700");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(path)
            .status();
        let mounted = status.is_ok_and(|status| status.success());
        mounted.then(|| Self(path.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Takes all the space there is.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        for size in [1 << 20, 4 << 10] {
            let block = vec![1; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Submits until the engine refuses, and returns the ids and the refusal.
async fn submit_until_refused(caller: &mut Caller) -> (Vec<String>, tonic::Status) {
    let mut ids = Vec::new();
    loop {
        let nth = ids.len() as u64;
        let request = v1::SubmitRequest {
            submission: Some(submission(v1::Category::Transactional, nth)),
            on_full: v1::OnFull::Refuse.into(),
        };
        match caller.submit(request).await {
            Ok(answer) => ids.push(answer.into_inner().message_id),
            Err(status) => return (ids, status),
        }
        assert!(nth < 20_000, "the disk is never full");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_full_disk_refuses_by_name_and_goes_on_by_itself() {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let lines = format!("hosts = [\"{}\"]", carrier.local_addr());
    let setting = Setting::new(&[("alpha", &lines)]);
    setting.journal("file_max_bytes = 65_536\nreserve_bytes = 131_072");
    let Some(disk) = SmallDisk::mount(&setting.data()) else {
        println!("SKIPPED: this process may not mount a file system, which this scenario needs");
        return;
    };
    let mut engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;

    disk.fill();
    let (ids, refusal) = submit_until_refused(&mut caller).await;
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
    let reason = refusal.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "JOURNAL_NO_SPACE", "{refusal}");
    assert!(ids.len() > 10, "{}", ids.len());
    engine.wait_until("the metrics say so", || {
        engine.metric("hikyaku_journal_no_space") > 0.0
            && engine.metric("hikyaku_intake_open") == 0.0
    });
    // What the carrier has taken comes to its end on the reserve.
    engine.wait_until("nothing is in flight", || {
        let delivered = engine.metric("hikyaku_final_messages_total{state=\"delivered\"}");
        delivered >= carrier.snapshot().taken as f64
    });
    assert_eq!(engine.get("/healthz").0, 200);

    disk.free();
    engine.wait_until("there is space again", || {
        engine.metric("hikyaku_journal_no_space") == 0.0
            && engine.metric("hikyaku_intake_open") == 1.0
    });
    let more = submit(&mut caller, submission(v1::Category::Transactional, 50_000)).await;
    for id in ids.iter().chain([&more]) {
        wait_for_state(&mut caller, id, v1::MessageState::Delivered).await;
    }
    assert_eq!(carrier.snapshot().taken, ids.len() as u64 + 1);
    engine.terminate();
    assert_eq!(engine.wait().0.code(), Some(0), "{}", engine.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_engine_starts_on_a_full_disk_and_goes_on_by_itself() {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let lines = format!("hosts = [\"{}\"]", carrier.local_addr());
    let setting = Setting::new(&[("alpha", &lines)]);
    setting.journal("file_max_bytes = 65_536\nreserve_bytes = 131_072");
    let Some(disk) = SmallDisk::mount(&setting.data()) else {
        println!("SKIPPED: this process may not mount a file system, which this scenario needs");
        return;
    };
    let engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;
    let mut ids = Vec::new();
    for nth in 0..20 {
        ids.push(submit(&mut caller, submission(v1::Category::Transactional, nth)).await);
    }
    for id in &ids {
        wait_for_state(&mut caller, id, v1::MessageState::Delivered).await;
    }
    engine.kill();
    // The reserve was used up before the process ended.
    fs::remove_file(setting.data().join("journal/reserve")).unwrap();
    disk.fill();

    let mut engine = EngineProcess::start_unready(&setting);
    engine.wait_until("the metrics say that there is no space", || {
        engine.metric("hikyaku_journal_no_space") > 0.0
    });
    assert_eq!(engine.get("/healthz").0, 200);
    let mut caller = connect(&engine).await;
    let (admitted, refusal) = submit_until_refused(&mut caller).await;
    assert!(admitted.is_empty(), "{admitted:?}");
    let reason = refusal.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "JOURNAL_NO_SPACE", "{refusal}");

    disk.free();
    engine.wait_until("there is space again", || {
        engine.metric("hikyaku_journal_no_space") == 0.0
            && engine.metric("hikyaku_intake_open") == 1.0
    });
    ids.push(submit(&mut caller, submission(v1::Category::Transactional, 50_000)).await);
    for id in &ids {
        wait_for_state(&mut caller, id, v1::MessageState::Delivered).await;
    }
    assert_eq!(carrier.snapshot().taken, ids.len() as u64);
    engine.terminate();
    assert_eq!(engine.wait().0.code(), Some(0), "{}", engine.log());
}
