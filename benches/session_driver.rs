//! The SMPP side alone: [`SmppConnector`] on a thread of its own, fed through the connector seam without an engine, against the
//! simulator on another thread of this process.
//!
//! ```text
//! cargo bench --bench session_driver                  every case, three rounds
//! cargo bench --bench session_driver -- --quick       one short round
//! cargo bench --bench session_driver -- --only 100x4
//! ```
//!
//! One message is one submit_sm of 100 characters with our stamp (40 octets), which is how the simulator knows a copy from a first; at the
//! end of a run it must have seen each message once, or the bench fails. All places of the window are filled. Rounds go over all cases
//! before a case comes again, so that a slow minute of the machine falls on all of them; the table has the medians.

mod rig;

use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use connector::{Connector, ConnectorEvent, Dispatch, Verdict};
use fakes::smsc::{FakeSmsc, SmscConfig, SmscHandle};
use hdrhistogram::Histogram;
use message::{CarrierId, Category, IdSource, Lane, Outcome, Payload, ReceiptWanted, SegmentRef};
use rig::{grouped, median, usage};
use serde::Serialize;
use smpp_client::{CarrierConfig, Clock, Credentials, ReconnectConfig, SmppConnector};
use tokio::sync::Notify;
use tokio::task::LocalSet;

/// Texts to take turns: few, so that they stay in the cache as a message just admitted would.
const PAYLOADS: usize = 1_024;
/// Octets of each text.
const TEXT_LEN: usize = 100;
/// A run that takes this much longer than asked hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// The SMPP session driver against the simulator
#[derive(Parser)]
struct Args {
    /// One round of half a second a case
    #[arg(long)]
    quick: bool,
    /// Seconds of feeding a run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Runs a case
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only cases whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// One JSON object a case
    #[arg(long)]
    json: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// When the simulator's kernel acknowledges what we wrote.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Acks {
    AtOnce,
    /// Up to 40 ms late, as from a peer that has nothing to say.
    Late,
}

#[derive(Clone, Copy)]
struct Case {
    window: u32,
    sessions: u32,
    acks: Acks,
    receipts: ReceiptWanted,
}

impl Case {
    fn name(self) -> String {
        let acks = match self.acks {
            Acks::AtOnce => "",
            Acks::Late => " late-acks",
        };
        let receipts = match self.receipts {
            ReceiptWanted::Never => "",
            ReceiptWanted::Always | ReceiptWanted::OnFailure => " receipts",
        };
        format!("{}x{}{acks}{receipts}", self.window, self.sessions)
    }
}

/// What one run came to.
struct Run {
    messages_per_second: f64,
    cpu_s_per_million: f64,
    driver_cpu_s_per_million: f64,
    p50_us: f64,
    p99_us: f64,
}

/// A case's line: medians over its runs.
#[derive(Serialize)]
struct Line {
    case: String,
    messages_per_second: f64,
    messages_per_second_min: f64,
    messages_per_second_max: f64,
    /// Of the whole process: driver and simulator.
    cpu_s_per_million: f64,
    driver_cpu_s_per_million: f64,
    answer_p50_us: f64,
    answer_p99_us: f64,
    of_best: f64,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        (args.seconds, args.rounds) = (0.5, 1);
    }
    let cases: Vec<Case> = cases()
        .into_iter()
        .filter(|case| case.name().contains(&args.only))
        .collect();
    let mut runs: Vec<Vec<Run>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 1..=args.rounds {
        for (case, runs) in cases.iter().zip(&mut runs) {
            eprint!("\rround {round} of {}: {:<40}", args.rounds, case.name());
            match run_on_threads(*case, Duration::from_secs_f64(args.seconds)) {
                Ok(run) => runs.push(run),
                Err(text) => {
                    eprintln!("\n{}: {text}", case.name());
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    eprintln!();
    print(&summed_up(&cases, &runs), args.json);
    ExitCode::SUCCESS
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for acks in [Acks::AtOnce, Acks::Late] {
        for (sessions, window) in [(1, 10), (1, 100), (1, 1_000), (4, 10), (4, 100), (4, 1_000)] {
            for receipts in [ReceiptWanted::Never, ReceiptWanted::Always] {
                // Receipts in the middle of the field only: with either kind of acknowledgement, where Nagle's algorithm would show.
                if receipts == ReceiptWanted::Never || window == 100 {
                    cases.push(Case {
                        window,
                        sessions,
                        acks,
                        receipts,
                    });
                }
            }
        }
    }
    cases
}

/// A simulator on its thread, a driver on another.
fn run_on_threads(case: Case, feeding: Duration) -> Result<Run, String> {
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.quick_ack = case.acks == Acks::AtOnce;
    script.receipts.window = 1_000;
    let smsc = FakeSmsc::start(script).map_err(|error| error.to_string())?;
    let address = smsc.local_addr().to_string();
    let driver = std::thread::Builder::new()
        .name("driver".into())
        .spawn(move || drive(case, &address, feeding))
        .map_err(|error| error.to_string())?;
    let (run, submitted) = driver
        .join()
        .map_err(|_| "the driver's thread panicked".to_owned())??;
    check(smsc, case, submitted)?;
    Ok(run)
}

/// Nothing lost, nothing twice.
fn check(smsc: SmscHandle, case: Case, submitted: u64) -> Result<(), String> {
    let counts = smsc.stop().counts;
    let receipts = match case.receipts {
        ReceiptWanted::Never => 0,
        ReceiptWanted::Always | ReceiptWanted::OnFailure => submitted,
    };
    let seen = (counts.unique_messages, counts.copies, counts.receipts_acked);
    if seen == (submitted, 0, receipts) {
        Ok(())
    } else {
        Err(format!(
            "{submitted} submitted, but the simulator saw {} messages, {} copies, {} receipts acknowledged",
            seen.0, seen.1, seen.2
        ))
    }
}

fn drive(case: Case, address: &str, feeding: Duration) -> Result<(Run, u64), String> {
    let runtime = rig::runtime()?;
    LocalSet::new().block_on(&runtime, async {
        let mut driver = Driver::start(case, address)?;
        let driven = tokio::time::timeout(feeding * 2 + PATIENCE, driver.run(feeding));
        let run = driven.await.map_err(|_| "it hangs".to_owned())??;
        Ok((run, driver.submitted))
    })
}

/// Plays the engine: fills every slot, counts every answer, takes every receipt.
struct Driver {
    case: Case,
    connector: SmppConnector,
    woken: Rc<Notify>,
    payloads: Vec<Arc<Payload>>,
    events: Vec<ConnectorEvent>,
    batch: Vec<Dispatch>,
    ids: IdSource,
    submitted: u64,
    answered: u64,
    receipts: u64,
    bound: u32,
    latency: Histogram<u64>,
}

impl Driver {
    fn start(case: Case, address: &str) -> Result<Self, String> {
        let credentials = Credentials {
            system_id: "bench".into(),
            password: "secret08".into(),
            system_type: "".into(),
        };
        let config = CarrierConfig {
            sessions: case.sessions,
            window_size: case.window,
            stamp_tlv: true,
            reconnect: ReconnectConfig {
                stagger_ms: 0,
                ..ReconnectConfig::default()
            },
            ..CarrierConfig::new(CarrierId(1), "bench", address, credentials)
        };
        let woken = Rc::new(Notify::new());
        let wake = Rc::clone(&woken);
        let connector = SmppConnector::start(config, Rc::new(move || wake.notify_one()))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            case,
            connector,
            woken,
            payloads: (0..PAYLOADS).map(|nth| payload(case, nth)).collect(),
            events: Vec::new(),
            batch: Vec::new(),
            ids: IdSource::new(0),
            submitted: 0,
            answered: 0,
            receipts: 0,
            bound: 0,
            latency: rig::histogram_ns(),
        })
    }

    /// A warm-up of a quarter of the time, then the run; both end when every answer and receipt has come.
    async fn run(&mut self, feeding: Duration) -> Result<Run, String> {
        while self.bound < self.case.sessions {
            self.woken.notified().await;
            self.take_events()?;
        }
        self.feed(feeding / 4).await?;
        self.latency.reset();
        let before = self.submitted;
        let (began_ns, cpu, driver_cpu) = (Clock.mono_ns(), usage::own_cpu(), usage::thread_cpu());
        self.feed(feeding).await?;
        let ended = (Clock.mono_ns(), usage::own_cpu(), usage::thread_cpu());
        self.end().await;
        let messages = (self.submitted - before) as f64;
        let per_million = |spent: Duration| spent.as_secs_f64() * 1e6 / messages;
        Ok(Run {
            messages_per_second: messages * 1e9 / (ended.0 - began_ns) as f64,
            cpu_s_per_million: per_million(ended.1 - cpu),
            driver_cpu_s_per_million: per_million(ended.2 - driver_cpu),
            p50_us: self.latency.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: self.latency.value_at_quantile(0.99) as f64 / 1e3,
        })
    }

    async fn feed(&mut self, feeding: Duration) -> Result<(), String> {
        let ends_ns = Clock.mono_ns() + u64::try_from(feeding.as_nanos()).unwrap_or(u64::MAX);
        while Clock.mono_ns() < ends_ns {
            self.take_events()?;
            self.fill_slots();
            self.woken.notified().await;
        }
        self.take_events()?;
        while !self.is_settled() {
            self.woken.notified().await;
            self.take_events()?;
        }
        Ok(())
    }

    /// Unbinds, so that the last acknowledgements have left.
    async fn end(&mut self) {
        self.connector.drain(Clock.now());
        while !self.connector.is_drained() {
            self.woken.notified().await;
        }
    }

    fn is_settled(&self) -> bool {
        self.answered == self.submitted
            && (self.case.receipts == ReceiptWanted::Never || self.receipts == self.submitted)
    }

    fn take_events(&mut self) -> Result<(), String> {
        self.connector.drain_events(&mut self.events);
        let now = Clock.now();
        for event in self.events.drain(..) {
            match event {
                ConnectorEvent::Outcome {
                    outcome: Outcome::Submitted { .. },
                    written_ns,
                    settled_ns,
                    ..
                } => {
                    self.answered += 1;
                    self.latency.saturating_record(settled_ns - written_ns);
                }
                ConnectorEvent::Receipt { handle, .. } => {
                    self.receipts += 1;
                    self.connector.acknowledge(handle, Verdict::Taken, now);
                }
                ConnectorEvent::SessionUp { .. } => self.bound += 1,
                ConnectorEvent::Outcome { outcome, .. } => {
                    return Err(format!("a submit ended as {outcome:?}"));
                }
                ConnectorEvent::Inbound { .. } => return Err("a message from a handset".into()),
                ConnectorEvent::SessionDown { .. } => return Err("a session ended".into()),
            }
        }
        Ok(())
    }

    fn fill_slots(&mut self) {
        let now = Clock.now();
        while let Some(slot) = self.connector.poll_slot(now) {
            for _ in 0..slot.free + slot.free_otp {
                self.submitted += 1;
                let turn = self.submitted % PAYLOADS as u64;
                self.batch.push(Dispatch {
                    segment: SegmentRef {
                        message: self.ids.peek(self.submitted, self.submitted),
                        leg: 0,
                        attempt: 1,
                        segment: 0,
                    },
                    session: slot.session,
                    payload: Arc::clone(&self.payloads[turn as usize]),
                    admitted_ns: now.mono_ns,
                    validity_left_ms: 60_000,
                });
            }
            self.connector.submit(&mut self.batch, now);
        }
    }
}

fn payload(case: Case, nth: usize) -> Arc<Payload> {
    let text = format!("{nth:>8} {}", "x".repeat(TEXT_LEN - 9));
    Arc::new(Payload {
        recipient: "819012345678".parse().expect("a number of 12 digits"),
        sender: "Hikyaku".parse().expect("7 letters"),
        category: Category::Promotional,
        lane: Lane::Bulk,
        text: text.into_bytes().into(),
        receipt_wanted: case.receipts,
        expires_ms: 0,
        segments: 1,
    })
}

fn summed_up(cases: &[Case], runs: &[Vec<Run>]) -> Vec<Line> {
    let of = |runs: &[Run], field: fn(&Run) -> f64| median(runs.iter().map(field));
    let best = runs
        .iter()
        .map(|runs| of(runs, |run| run.messages_per_second))
        .fold(0.0, f64::max);
    let line = |(case, runs): (&Case, &Vec<Run>)| {
        let rates = || runs.iter().map(|run| run.messages_per_second);
        Line {
            case: case.name(),
            messages_per_second: median(rates()),
            messages_per_second_min: rates().fold(f64::INFINITY, f64::min),
            messages_per_second_max: rates().fold(0.0, f64::max),
            cpu_s_per_million: of(runs, |run| run.cpu_s_per_million),
            driver_cpu_s_per_million: of(runs, |run| run.driver_cpu_s_per_million),
            answer_p50_us: of(runs, |run| run.p50_us),
            answer_p99_us: of(runs, |run| run.p99_us),
            of_best: median(rates()) / best,
        }
    };
    cases.iter().zip(runs).map(line).collect()
}

#[allow(clippy::print_stdout, reason = "the table is what a bench is for")]
fn print(lines: &[Line], json: bool) {
    if json {
        for line in lines {
            let text = serde_json::to_string(line).expect("numbers and names");
            println!("{text}");
        }
        return;
    }
    println!(
        "| window x sessions | msgs/s [min–max] | CPU-s per 1M: process (driver) | answer p50 / p99 µs | of the best |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for line in lines {
        println!(
            "| {} | {} [{}–{}] | {:.2} ({:.2}) | {:.0} / {:.0} | {:.2} |",
            line.case,
            grouped(line.messages_per_second),
            grouped(line.messages_per_second_min),
            grouped(line.messages_per_second_max),
            line.cpu_s_per_million,
            line.driver_cpu_s_per_million,
            line.answer_p50_us,
            line.answer_p99_us,
            line.of_best,
        );
    }
}
