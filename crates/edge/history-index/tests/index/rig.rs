//! A place to work in, and messages to tell the index about.

#![expect(clippy::unwrap_used, reason = "part of the tests")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use history_index::{
    Admission, Change, Fact, IndexConfig, ListQuery, Moved, Opened, Portion, Progress,
    RecipientHash, RecipientSecret,
};
use message::{
    CATEGORIES, CallerId, CarrierId, IdSource, MessageId, MessageState, Msisdn, Reason,
    RouteGroupId, TenantId,
};

static PLACES: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Workplace {
    pub(crate) dir: PathBuf,
    pub(crate) secret: RecipientSecret,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        let nth = PLACES.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("hikyaku-index-{}-{nth}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let secret = RecipientSecret::load_or_make(&dir.join("history.key")).unwrap();
        Self { dir, secret }
    }

    pub(crate) fn config(&self) -> IndexConfig {
        IndexConfig {
            dir: self.dir.join("index"),
            secret: self.secret.clone(),
            cache_bytes: 1 << 20,
        }
    }

    pub(crate) fn open(&self) -> Opened {
        history_index::open(&self.config()).unwrap()
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) const TENANT: TenantId = TenantId(1);
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// All of our tenant.
pub(crate) fn query() -> ListQuery {
    ListQuery {
        tenant: TENANT,
        recipient: None,
        states: Vec::new(),
        carrier: None,
        since_ms: 0,
        until_ms: u64::MAX,
        below: None,
        limit: 100,
    }
}

pub(crate) fn number(nth: u64) -> Msisdn {
    Msisdn::from_u64(819_000_000_000 + nth).unwrap()
}

pub(crate) fn admission(recipient: RecipientHash, nth: usize, at_ms: u64) -> Admission {
    Admission {
        tenant: TENANT,
        caller: CallerId(2),
        group: RouteGroupId(3),
        category: CATEGORIES[nth % 4],
        recipient,
        admitted_ms: at_ms,
        state: MessageState::Queued,
        reason: Reason::Admitted,
        carrier: None,
        uncertain: false,
    }
}

pub(crate) fn moved(state: MessageState, reason: Reason, carrier: u32) -> Change {
    Change::Moved(Moved {
        state: Some(state),
        reason: Some(reason),
        carrier: (carrier != 0).then_some(CarrierId(carrier)),
        uncertain: false,
    })
}

/// Some messages, each admitted, taken and ended, interleaved with the others.
pub(crate) struct Story {
    pub(crate) facts: Vec<Fact>,
    pub(crate) ids: Vec<MessageId>,
}

impl Story {
    pub(crate) fn new(messages: usize) -> Self {
        let place = Workplace::new();
        let mut source = IdSource::new(5);
        let ids: Vec<_> = (0..messages)
            .map(|nth| {
                let id = source.peek(START_MS + nth as u64, nth as u64);
                source.observe(id);
                id
            })
            .collect();
        let mut steps = Vec::new();
        for (nth, id) in ids.iter().enumerate() {
            let at_ms = START_MS + nth as u64;
            let hash = place.secret.hash(TENANT, number(nth as u64 % 7));
            let carrier = 10 + nth as u32 % 3;
            let end = if nth % 5 == 0 {
                moved(MessageState::Failed, Reason::AttemptsExhausted, 0)
            } else {
                moved(MessageState::Delivered, Reason::ReceiptDelivered, 0)
            };
            let taken = moved(MessageState::Submitted, Reason::TakenByCarrier, carrier);
            let changes = [
                Change::Admitted(admission(hash, nth, at_ms)),
                Change::Noted,
                taken,
                end,
            ];
            for (step, change) in changes.into_iter().enumerate() {
                steps.push((nth + 4 * step, at_ms + step as u64, *id, change));
            }
        }
        steps.sort_by_key(|(when, _, id, _)| (*when, *id));
        let facts = steps
            .into_iter()
            .zip(0_u64..)
            .map(|((_, at_ms, id, change), nth)| Fact {
                id,
                start: nth * 50,
                end: nth * 50 + 50,
                at_ms,
                change,
            });
        Self {
            facts: facts.collect(),
            ids,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        let last = self.facts.last().unwrap();
        Progress {
            position: last.end,
            at_ms: last.at_ms,
            last_start: last.start,
            last_check: 7,
        }
    }

    pub(crate) fn portion(&self) -> Portion {
        portion(&self.facts, self.progress())
    }
}

pub(crate) fn portion(facts: &[Fact], progress: Progress) -> Portion {
    Portion {
        facts: facts.to_vec(),
        progress,
        ..Portion::default()
    }
}
