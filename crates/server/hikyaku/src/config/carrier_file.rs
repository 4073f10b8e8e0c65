//! Step one: a carrier's file as written. Every field is documented in `config/carriers/example.toml`; ranges and
//! defaults are applied by the second step.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// `carriers/NAME.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CarrierFile {
    pub(super) name: Spanned<String>,
    pub(super) contract_per_second: Option<Spanned<u32>>,
    pub(super) hosts: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) bind: BindWord,
    pub(super) sessions: Option<Spanned<u32>>,
    pub(super) receiver_sessions: Option<Spanned<u32>>,
    pub(super) system_id: Spanned<String>,
    pub(super) password: Option<Spanned<String>>,
    pub(super) password_file: Option<Spanned<PathBuf>>,
    pub(super) password_env: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) allow_inline_password: bool,
    pub(super) system_type: Option<Spanned<String>>,
    pub(super) service_type: Option<Spanned<String>>,
    pub(super) window: Option<Spanned<u32>>,
    pub(super) receipt_window: Option<Spanned<u32>>,
    pub(super) response_timeout_ms: Option<Spanned<u64>>,
    pub(super) enquire_link_ms: Option<Spanned<u64>>,
    pub(super) session_init_ms: Option<Spanned<u64>>,
    pub(super) receipt_deadline_s: Option<Spanned<u64>>,
    pub(super) uncertain_deadline_s: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) message_id_response: IdWord,
    #[serde(default)]
    pub(super) message_id_receipt: IdWord,
    #[serde(default)]
    pub(super) stamp_tlv: bool,
    #[serde(default)]
    pub(super) uncertain_after_ms: UncertainAfterTable,
    #[serde(default)]
    pub(super) on_uncertain: OnUncertainTable,
    #[serde(default)]
    pub(super) retry: RetryTable,
    #[serde(default)]
    pub(super) reconnect: ReconnectTable,
    #[serde(default)]
    pub(super) addressing: AddressingTable,
    pub(super) tls: Option<Spanned<CarrierTlsTable>>,
}

/// How sessions bind.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) enum BindWord {
    #[default]
    #[serde(rename = "transceiver")]
    Transceiver,
    #[serde(rename = "transmitter+receiver")]
    TransmitterReceiver,
}

/// How a message id is written.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IdWord {
    #[default]
    AsIs,
    Hex,
    Dec,
}

/// `[uncertain_after_ms]`, by lane.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UncertainAfterTable {
    pub(super) otp: Option<Spanned<u64>>,
    pub(super) alert: Option<Spanned<u64>>,
    pub(super) normal: Option<Spanned<u64>>,
    pub(super) bulk: Option<Spanned<u64>>,
}

/// `[on_uncertain]`, by lane.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnUncertainTable {
    pub(super) otp: Option<OnUncertainWord>,
    pub(super) alert: Option<OnUncertainWord>,
    pub(super) normal: Option<OnUncertainWord>,
    pub(super) bulk: Option<OnUncertainWord>,
}

/// What to do about an attempt whose fate is unknown.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnUncertainWord {
    ResendOnce,
    AwaitReceipt,
    Fail,
}

/// `[retry]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryTable {
    pub(super) attempts_max: Option<Spanned<u16>>,
    pub(super) delay_ms: Option<Spanned<u64>>,
    pub(super) delay_max_ms: Option<Spanned<u64>>,
}

/// `[reconnect]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconnectTable {
    pub(super) min_ms: Option<Spanned<u64>>,
    pub(super) max_ms: Option<Spanned<u64>>,
    pub(super) fatal_probe_ms: Option<Spanned<u64>>,
    pub(super) stagger_ms: Option<Spanned<u64>>,
    pub(super) gap_ms: Option<Spanned<u64>>,
}

/// `[addressing]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressingTable {
    pub(super) alphanumeric: Option<TonNpiTable>,
    pub(super) short_code: Option<TonNpiTable>,
    pub(super) long_number: Option<TonNpiTable>,
    pub(super) recipient: Option<TonNpiTable>,
}

/// `{ ton = 1, npi = 1 }`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TonNpiTable {
    pub(super) ton: u8,
    pub(super) npi: u8,
}

/// `[tls]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CarrierTlsTable {
    pub(super) ca: Spanned<PathBuf>,
    pub(super) server_name: Option<String>,
    pub(super) certificate: Option<Spanned<PathBuf>>,
    pub(super) key: Option<Spanned<PathBuf>>,
}
