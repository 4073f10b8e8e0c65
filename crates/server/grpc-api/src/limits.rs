//! What one caller, call or connection may hold.

use std::time::Duration;

/// Most submissions in one `SubmitBatch` or one request of a `SubmitStream`.
pub const SUBMISSIONS_PER_REQUEST_MAX: usize = 1_000;
/// Most submissions of one `SubmitStream` that wait for an answer; beyond that the stream is not read.
pub const STREAM_IN_FLIGHT_MAX: u32 = 4_096;
/// Most responses of a stream that wait for the client to read them.
pub const RESPONSES_WAITING_MAX: usize = 16;
/// How long responses of a stream may lie unread before it is ended.
pub const UNREAD_MAX: Duration = Duration::from_secs(30);
/// Most ids in the filter of a `Watch`.
pub const WATCH_IDS_MAX: usize = 10_000;
/// Most events in one response of a `Watch`, and most messages in one of an `Inbound`.
pub const EVENTS_PER_RESPONSE_MAX: usize = 512;
/// After so many events that were not for a watcher it is told its position, so that it can resume from there.
pub const EVENTS_SKIPPED_MAX: usize = 1_024;
/// Most ids in one `AcknowledgeInbound`.
pub const ACKNOWLEDGEMENTS_MAX: usize = 1_000;
/// Most octets of a recipient key.
pub const RECIPIENT_KEY_MAX_BYTES: usize = 128;
/// Most octets of a label's key or value.
pub const LABEL_MAX_BYTES: usize = 64;
/// The shortest `valid_for`.
pub const VALID_FOR_MIN: Duration = Duration::from_millis(engine::VALID_FOR_MIN_MS);
/// The longest `valid_for`.
pub const VALID_FOR_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Most configured callers: each key presented is compared with every one of them, in constant time.
pub const CALLERS_MAX: usize = 1_024;
