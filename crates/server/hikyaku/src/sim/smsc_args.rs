//! The options of `hikyaku sim smsc`, and the script they make.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fakes::smsc::{
    Account, AccountPassword, CommandStatus, Credentials, IdFormat, ReceiptConfig, ReceiptContent,
    ReceiptOrder, ReceiptRatios, SlowReader, SmscConfig, TlsListener,
};

const SMSC_EXAMPLES: &str = "\
Examples:
  hikyaku sim smsc                                              takes and delivers everything at once
  hikyaku sim smsc --account acme:secret --binds-max 2          one account, two sessions
  hikyaku sim smsc --throttle 200 --latency-ms 20 --jitter-ms 5 a contract of 200 a second, 20 to 25 ms away
  hikyaku sim smsc --receipt-delay-ms 500 --undeliverable 0.05 --expired 0.01
  hikyaku sim smsc --reject 0.01 --reject-status ESME_RINVDSTADR
  hikyaku sim smsc --drop-every 5000 --lose-answers 0.001       connections break, answers get lost
  hikyaku sim smsc --hang-after 1000                            half-open after a thousand submits
  hikyaku sim smsc --response-ids hex --receipt-ids decimal     the classic disagreement about ids
  hikyaku sim smsc --inbound-per-second 5                       five messages a second from handsets
  hikyaku sim smsc --json --report report.json                  live counts on stderr, the report at the end

Ends with SIGTERM or ctrl-c and prints what it counted. Submits are told apart by vendor TLV 0x3FF0 (stamp_tlv = true in
a carrier's file), else by source, destination and text.";

/// A message centre that speaks SMPP 3.4
#[derive(Args, Debug)]
#[command(after_help = SMSC_EXAMPLES)]
pub(super) struct SmscArgs {
    /// Where to listen; port 0 picks one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:2775")]
    listen: SocketAddr,
    /// Serve TLS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Let only this account bind; may be given several times [default: anybody]
    #[arg(long, value_name = "SYSTEM_ID:PASSWORD", value_parser = account)]
    account: Vec<Account>,
    /// Sessions that one account may have
    #[arg(long, value_name = "N", default_value_t = 64)]
    binds_max: u32,
    /// Decides all that is random
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Write the report as JSON to this file too
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// No live counts
    #[arg(long, short)]
    pub(super) quiet: bool,
    #[command(flatten)]
    answers: AnswerArgs,
    #[command(flatten)]
    receipts: ReceiptArgs,
    #[command(flatten)]
    handsets: HandsetArgs,
    #[command(flatten)]
    faults: FaultArgs,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Answers")]
struct AnswerArgs {
    /// From a submit to its answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,
    /// A random addition to the latency, up to this
    #[arg(long, value_name = "MS", default_value_t = 0)]
    jitter_ms: u64,
    /// Submits taken in any second; more are answered ESME_RTHROTTLED
    #[arg(long, value_name = "N")]
    throttle: Option<u64>,
    /// Share of submits to refuse, 0 to 1
    #[arg(long, value_name = "RATIO", default_value_t = 0.0, value_parser = ratio)]
    reject: f64,
    /// The status of a refusal, by name or number
    #[arg(long, value_name = "STATUS", value_parser = status, default_value = "ESME_RSYSERR")]
    reject_status: CommandStatus,
    /// How ids look in answers
    #[arg(long, value_enum, default_value_t = IdArg::Decimal)]
    response_ids: IdArg,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Receipts")]
struct ReceiptArgs {
    /// From the answer to the receipt
    #[arg(long, value_name = "MS", default_value_t = 0)]
    receipt_delay_ms: u64,
    /// A random addition to the delay, up to this
    #[arg(long, value_name = "MS", default_value_t = 0)]
    receipt_jitter_ms: u64,
    /// Share of receipts that say UNDELIV, 0 to 1; what no share takes is DELIVRD
    #[arg(long, value_name = "RATIO", default_value_t = 0.0, value_parser = ratio)]
    undeliverable: f64,
    /// Share of receipts that say EXPIRED
    #[arg(long, value_name = "RATIO", default_value_t = 0.0, value_parser = ratio)]
    expired: f64,
    /// Share of receipts that say REJECTD
    #[arg(long, value_name = "RATIO", default_value_t = 0.0, value_parser = ratio)]
    rejected: f64,
    /// Share of receipts that say UNKNOWN
    #[arg(long, value_name = "RATIO", default_value_t = 0.0, value_parser = ratio)]
    unknown: f64,
    /// Unanswered deliver_sm on one session
    #[arg(long, value_name = "N", default_value_t = 100)]
    receipt_window: u32,
    /// Send an unanswered receipt again after this
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    receipt_timeout_ms: u64,
    /// What a receipt carries
    #[arg(long, value_enum, default_value_t = ContentArg::Both)]
    receipt_content: ContentArg,
    /// How ids look in receipts
    #[arg(long, value_enum, default_value_t = IdArg::Decimal)]
    receipt_ids: IdArg,
    /// Send the receipt before the answer
    #[arg(long)]
    receipts_first: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Handsets")]
struct HandsetArgs {
    /// Messages from handsets to 12345 in a second, while a session receives: plain and emoji in turn, from 819000000000 on,
    /// sent again until acknowledged (as receipts: --receipt-window, --receipt-timeout-ms)
    #[arg(long, value_name = "N")]
    inbound_per_second: Option<u64>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Faults")]
struct FaultArgs {
    /// Share of submits to take and never answer, 0 to 1
    #[arg(long, value_name = "RATIO", default_value_t = 0.0, value_parser = ratio)]
    lose_answers: f64,
    /// Shuffle answers in groups of this many
    #[arg(long, value_name = "N", default_value_t = 0)]
    shuffle: usize,
    /// Read at most so many octets a second from each connection
    #[arg(long, value_name = "BYTES", conflicts_with = "pause_every")]
    read_per_second: Option<u64>,
    /// Stop reading for --pause-ms after every so many submits
    #[arg(long, value_name = "N")]
    pause_every: Option<u64>,
    /// How long to read nothing
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 1_000,
        requires = "pause_every"
    )]
    pause_ms: u64,
    /// Acknowledge TCP segments late, by up to 40 ms
    #[arg(long)]
    late_acks: bool,
    /// Close a connection at every so manieth submit on it
    #[arg(long, value_name = "N")]
    drop_every: Option<u64>,
    /// Close a connection after this
    #[arg(long, value_name = "MS")]
    drop_after_ms: Option<u64>,
    /// Share of submits at which to close the connection, 0 to 1
    #[arg(long, value_name = "RATIO", default_value_t = 0.0, value_parser = ratio)]
    drop_ratio: f64,
    /// After so many submits on a connection, read and answer nothing and keep it open
    #[arg(long, value_name = "N")]
    hang_after: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IdArg {
    Decimal,
    Hex,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ContentArg {
    Both,
    Text,
    Tlvs,
}

impl SmscArgs {
    /// The script.
    pub(super) fn config(&self) -> SmscConfig {
        let (answers, faults) = (&self.answers, &self.faults);
        let tls = self.tls_certificate.clone().zip(self.tls_key.clone());
        SmscConfig {
            tls: tls.map(|(certificate_file, key_file)| TlsListener {
                certificate_file,
                key_file,
            }),
            credentials: if self.account.is_empty() {
                Credentials::Any
            } else {
                Credentials::Accounts(self.account.clone())
            },
            binds_max: self.binds_max,
            seed: self.seed,
            latency_ms: answers.latency_ms,
            jitter_ms: answers.jitter_ms,
            inbound_per_second: self.handsets.inbound_per_second,
            throttle_per_second: answers.throttle,
            reject_ratio: answers.reject,
            reject_status: answers.reject_status,
            response_id_format: answers.response_ids.into(),
            receipts: self.receipts.config(),
            receipt_id_format: self.receipts.receipt_ids.into(),
            lost_answer_ratio: faults.lose_answers,
            shuffle_answers: faults.shuffle,
            slow_reader: faults.slow_reader(),
            quick_ack: !faults.late_acks,
            drop_every_submits: faults.drop_every,
            drop_after_ms: faults.drop_after_ms,
            drop_ratio: faults.drop_ratio,
            hang_after_submits: faults.hang_after,
            ..SmscConfig::new(self.listen)
        }
    }
}

impl ReceiptArgs {
    fn config(&self) -> ReceiptConfig {
        ReceiptConfig {
            delay_ms: self.receipt_delay_ms,
            jitter_ms: self.receipt_jitter_ms,
            ratios: ReceiptRatios {
                undeliverable: self.undeliverable,
                expired: self.expired,
                rejected: self.rejected,
                unknown: self.unknown,
            },
            window: self.receipt_window,
            timeout_ms: self.receipt_timeout_ms,
            content: match self.receipt_content {
                ContentArg::Both => ReceiptContent::TextAndTlvs,
                ContentArg::Text => ReceiptContent::Text,
                ContentArg::Tlvs => ReceiptContent::Tlvs,
            },
            order: if self.receipts_first {
                ReceiptOrder::BeforeResponse
            } else {
                ReceiptOrder::AfterResponse
            },
            ..ReceiptConfig::default()
        }
    }
}

impl FaultArgs {
    fn slow_reader(&self) -> SlowReader {
        match (self.read_per_second, self.pause_every) {
            (Some(rate), _) => SlowReader::BytesPerSecond(rate),
            (None, Some(every_submits)) => SlowReader::Pause {
                every_submits,
                pause_ms: self.pause_ms,
            },
            (None, None) => SlowReader::Off,
        }
    }
}

impl From<IdArg> for IdFormat {
    fn from(arg: IdArg) -> Self {
        match arg {
            IdArg::Decimal => Self::Decimal,
            IdArg::Hex => Self::Hex,
        }
    }
}

/// A share; clap puts the option and the value before the text.
fn ratio(text: &str) -> Result<f64, String> {
    let ratio: Option<f64> = text.parse().ok();
    let ratio = ratio.filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "allowed is a number from 0 to 1".to_owned())
}

fn account(text: &str) -> Result<Account, String> {
    let (system_id, password) = text
        .split_once(':')
        .filter(|(system_id, _)| (1..=15).contains(&system_id.len()))
        .ok_or("SYSTEM_ID:PASSWORD, the first of 1 to 15 octets")?;
    Ok(Account {
        system_id: system_id.to_owned(),
        password: AccountPassword(password.to_owned()),
    })
}

/// Statuses of the specification by their names lie below this.
const NAMED_STATUS_END: u32 = 0x500;

fn status(text: &str) -> Result<CommandStatus, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let by_name = || {
        (1..NAMED_STATUS_END)
            .map(CommandStatus::from_u32)
            .find(|status| status.name().eq_ignore_ascii_case(text))
    };
    number
        .map(CommandStatus::from_u32)
        .or_else(by_name)
        .filter(|status| !status.is_ok())
        .ok_or_else(|| "a name such as ESME_RINVDSTADR or a number above 0 such as 0x0B".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        smsc: SmscArgs,
    }

    fn config(line: &str) -> SmscConfig {
        Line::parse_from(line.split(' ')).smsc.config()
    }

    #[test]
    fn without_options_it_behaves() {
        let given = format!("{:?}", config("smsc"));
        let plain = SmscConfig::new(SocketAddr::from(([127, 0, 0, 1], 2775)));
        assert_eq!(given, format!("{plain:?}"));
    }

    #[test]
    fn options_reach_the_script() {
        let config = config(
            "smsc --account a:b:c --throttle 9 --reject-status 0x0b --pause-every 3 --late-acks --expired 0.5 \
             --receipt-ids hex --receipts-first --receipt-content tlvs --inbound-per-second 5",
        );
        let Credentials::Accounts(accounts) = &config.credentials else {
            panic!("{:?}", config.credentials);
        };
        assert_eq!(
            (&*accounts[0].system_id, &*accounts[0].password.0),
            ("a", "b:c")
        );
        assert_eq!(config.throttle_per_second, Some(9));
        assert_eq!(config.inbound_per_second, Some(5));
        assert_eq!(
            config.reject_status,
            CommandStatus::InvalidDestinationAddress
        );
        let pause = SlowReader::Pause {
            every_submits: 3,
            pause_ms: 1_000,
        };
        assert_eq!((config.slow_reader, config.quick_ack), (pause, false));
        assert_eq!(config.receipts.ratios.expired, 0.5);
        assert_eq!(config.receipt_id_format, IdFormat::Hex);
        assert_eq!(config.receipts.order, ReceiptOrder::BeforeResponse);
        assert_eq!(config.receipts.content, ReceiptContent::Tlvs);
    }

    #[test]
    fn a_share_beyond_its_range_is_refused_with_option_value_and_range() {
        for option in [
            "--reject",
            "--lose-answers",
            "--drop-ratio",
            "--undeliverable",
        ] {
            for value in ["1.5", "NaN", "half"] {
                let refused = Line::try_parse_from(["smsc", option, value]);
                let text = refused.map(|_| ()).unwrap_err().to_string();
                for word in [option, value, "from 0 to 1"] {
                    assert!(text.contains(word), "{word}: {text}");
                }
            }
        }
        assert_eq!(config("smsc --reject 1").reject_ratio, 1.0);
    }

    #[test]
    fn statuses_have_names_and_numbers() {
        assert_eq!(status("ESME_RTHROTTLED"), Ok(CommandStatus::Throttled));
        assert_eq!(status("88"), Ok(CommandStatus::Throttled));
        assert!(status("ESME_ROK").is_err() && status("0").is_err() && status("no").is_err());
    }
}
