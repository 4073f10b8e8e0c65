//! The second step for a carrier's file.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use smpp_client::{
    HOSTS_MAX, PASSWORD_MAX_BYTES, RECEIPT_WINDOW_MAX, SERVICE_TYPE_MAX_BYTES, SESSIONS_MAX,
    SYSTEM_ID_MAX_BYTES, SYSTEM_TYPE_MAX_BYTES, TIMER_MAX_MS, WINDOW_SIZE_MAX, split_host,
};
use toml::Spanned;

use super::carrier_file::{
    AddressingTable, BindWord, CarrierFile, CarrierTlsTable, IdWord, OnUncertainWord,
    ReconnectTable, RetryTable, TonNpiTable,
};
use super::checker::Checker;
use super::effective::{
    Addressing, BindMode, Carrier, ClientCertificate, IdRule, OnUncertain, Reconnect, RetryPolicy,
    Timers, TlsConfig, TonNpi, UncertainRule,
};
use super::secret::Secret;

const CONTRACT: RangeInclusive<u32> = 1..=1_000_000;
const SESSIONS: RangeInclusive<u32> = 1..=SESSIONS_MAX;
const TIMER_MS: RangeInclusive<u64> = 1..=TIMER_MAX_MS;
const DEADLINE_S: RangeInclusive<u64> = 1..=30 * 86_400;

pub(super) fn check(checker: &mut Checker<'_>, file: &CarrierFile) -> Option<Carrier> {
    let name = checker.slug(&file.name);
    let stem = checker
        .source()
        .path()
        .file_stem()
        .and_then(|stem| stem.to_str());
    if stem != Some(file.name.get_ref()) {
        checker.refuse(
            file.name.span(),
            "must be the file's name without .toml: one carrier, one file",
        );
    }
    let loopback = check_hosts(checker, &file.hosts);
    let password = check_password(checker, file, loopback);
    let system_id = checker.text(Some(&file.system_id), SYSTEM_ID_MAX_BYTES);
    let contract = file.contract_per_second.as_ref();
    let timers = check_timers(checker, file);
    Some(Carrier {
        name: name?,
        contract_per_second: contract.map(|given| checker.number(Some(given), 1, CONTRACT)),
        hosts: file
            .hosts
            .get_ref()
            .iter()
            .map(|host| host.get_ref().clone())
            .collect(),
        bind: match file.bind {
            BindWord::Transceiver => BindMode::Transceiver,
            BindWord::TransmitterReceiver => BindMode::TransmitterReceiver,
        },
        sessions: checker.number(file.sessions.as_ref(), 1, SESSIONS),
        receiver_sessions: check_receivers(checker, file),
        system_id,
        password: password?,
        system_type: checker.text(file.system_type.as_ref(), SYSTEM_TYPE_MAX_BYTES),
        service_type: checker.text(file.service_type.as_ref(), SERVICE_TYPE_MAX_BYTES),
        window: checker.number(file.window.as_ref(), 10, 1..=WINDOW_SIZE_MAX),
        receipt_window: checker.number(file.receipt_window.as_ref(), 1_000, 1..=RECEIPT_WINDOW_MAX),
        timers,
        tls: file.tls.as_ref().map(|table| check_tls(checker, table)),
        message_id_response: id_rule(file.message_id_response),
        message_id_receipt: id_rule(file.message_id_receipt),
        stamp_tlv: file.stamp_tlv,
        addressing: addressing(&file.addressing),
        retry: check_retry(checker, &file.retry),
        reconnect: check_reconnect(checker, &file.reconnect),
        uncertain: check_uncertain(checker, file, timers.response_timeout_ms),
        uncertain_deadline_ms: checker.seconds(
            file.uncertain_deadline_s.as_ref(),
            3600,
            DEADLINE_S,
        ),
        receipt_deadline_ms: checker.seconds(
            file.receipt_deadline_s.as_ref(),
            72 * 3600,
            DEADLINE_S,
        ),
    })
}

/// Checks the hosts; says whether all of them are this machine.
fn check_hosts(checker: &mut Checker<'_>, given: &Spanned<Vec<Spanned<String>>>) -> bool {
    let hosts = given.get_ref();
    if hosts.is_empty() || hosts.len() > HOSTS_MAX {
        checker.refuse(given.span(), format!("allowed are 1 to {HOSTS_MAX} hosts"));
    }
    let mut all_loopback = true;
    for host in hosts {
        match split_host(host.get_ref()) {
            Some((name, _)) => all_loopback &= is_loopback(name),
            None => checker.refuse(
                host.span(),
                "allowed is host:port, such as \"smsc.example.net:2775\"; an IPv6 address stands in brackets",
            ),
        }
    }
    all_loopback
}

fn is_loopback(name: &str) -> bool {
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn check_password(checker: &mut Checker<'_>, file: &CarrierFile, loopback: bool) -> Option<Secret> {
    let (span, text) = match (&file.password, &file.password_file, &file.password_env) {
        (Some(inline), None, None) => {
            if !loopback && !file.allow_inline_password {
                checker.refuse(
                    inline.span(),
                    "allowed only where every host is this machine; elsewhere use password_file or password_env, or \
                     set allow_inline_password = true",
                );
            }
            (inline.span(), inline.get_ref().clone())
        }
        (None, Some(path), None) => (path.span(), checker.secret_file(path)?),
        (None, None, Some(variable)) => (variable.span(), checker.secret_variable(variable)?),
        _ => {
            let span = file.system_id.span();
            checker.refuse(
                span,
                "its password: give exactly one of password_file, password_env, password",
            );
            return None;
        }
    };
    if text.len() > PASSWORD_MAX_BYTES || text.chars().any(char::is_control) {
        let octets = text.len();
        checker.refuse(
            span,
            format!("holds {octets} octets; allowed are up to {PASSWORD_MAX_BYTES} octets without control characters"),
        );
    }
    Some(Secret::new(text))
}

fn check_receivers(checker: &mut Checker<'_>, file: &CarrierFile) -> u32 {
    if let (BindWord::Transceiver, Some(given)) = (file.bind, &file.receiver_sessions) {
        checker.refuse(
            given.span(),
            "has no meaning with bind = \"transceiver\"; allowed with \"transmitter+receiver\"",
        );
    }
    checker.number(file.receiver_sessions.as_ref(), 1, SESSIONS)
}

fn check_timers(checker: &mut Checker<'_>, file: &CarrierFile) -> Timers {
    Timers {
        response_timeout_ms: checker.number(file.response_timeout_ms.as_ref(), 30_000, TIMER_MS),
        enquire_link_ms: checker.number(file.enquire_link_ms.as_ref(), 30_000, TIMER_MS),
        session_init_ms: checker.number(file.session_init_ms.as_ref(), 10_000, TIMER_MS),
    }
}

fn check_uncertain(
    checker: &mut Checker<'_>,
    file: &CarrierFile,
    response_timeout_ms: u64,
) -> [UncertainRule; 4] {
    let (after, action) = (&file.uncertain_after_ms, &file.on_uncertain);
    // An attempt keeps its window slot until the response time-out, so it cannot turn uncertain later than that.
    let mut rule =
        |given: Option<&Spanned<u64>>, default_ms: u64, word: Option<OnUncertainWord>, default| {
            let default_ms = default_ms.min(response_timeout_ms);
            UncertainRule {
                after_ms: checker.number(given, default_ms, 1..=response_timeout_ms),
                action: word.map_or(default, on_uncertain),
            }
        };
    [
        rule(
            after.otp.as_ref(),
            5_000,
            action.otp,
            OnUncertain::ResendOnce,
        ),
        rule(
            after.alert.as_ref(),
            10_000,
            action.alert,
            OnUncertain::ResendOnce,
        ),
        rule(
            after.normal.as_ref(),
            30_000,
            action.normal,
            OnUncertain::AwaitReceipt,
        ),
        rule(
            after.bulk.as_ref(),
            30_000,
            action.bulk,
            OnUncertain::AwaitReceipt,
        ),
    ]
}

fn on_uncertain(word: OnUncertainWord) -> OnUncertain {
    match word {
        OnUncertainWord::ResendOnce => OnUncertain::ResendOnce,
        OnUncertainWord::AwaitReceipt => OnUncertain::AwaitReceipt,
        OnUncertainWord::Fail => OnUncertain::Fail,
    }
}

fn id_rule(word: IdWord) -> IdRule {
    match word {
        IdWord::AsIs => IdRule::AsIs,
        IdWord::Hex => IdRule::Hex,
        IdWord::Dec => IdRule::Dec,
    }
}

fn check_retry(checker: &mut Checker<'_>, table: &RetryTable) -> RetryPolicy {
    let delay_ms = checker.number(table.delay_ms.as_ref(), 1_000, TIMER_MS);
    RetryPolicy {
        attempts_max: checker.number(table.attempts_max.as_ref(), 5, 1..=100),
        delay_ms,
        delay_max_ms: at_least(checker, table.delay_max_ms.as_ref(), 60_000, delay_ms),
    }
}

fn check_reconnect(checker: &mut Checker<'_>, table: &ReconnectTable) -> Reconnect {
    let min_ms = checker.number(table.min_ms.as_ref(), 1_000, TIMER_MS);
    Reconnect {
        min_ms,
        max_ms: at_least(checker, table.max_ms.as_ref(), 60_000, min_ms),
        fatal_probe_ms: at_least(checker, table.fatal_probe_ms.as_ref(), 300_000, min_ms),
        stagger_ms: checker.number(table.stagger_ms.as_ref(), 20, 0..=*TIMER_MS.end()),
        gap_ms: checker.number(table.gap_ms.as_ref(), 200, 0..=*TIMER_MS.end()),
    }
}

/// A time not below another one, which lifts the default too.
fn at_least(
    checker: &mut Checker<'_>,
    given: Option<&Spanned<u64>>,
    default_ms: u64,
    least_ms: u64,
) -> u64 {
    checker.number(given, default_ms.max(least_ms), least_ms..=*TIMER_MS.end())
}

fn addressing(table: &AddressingTable) -> Addressing {
    let of = |given: Option<TonNpiTable>, ton, npi| {
        given.map_or(TonNpi { ton, npi }, |given| TonNpi {
            ton: given.ton,
            npi: given.npi,
        })
    };
    Addressing {
        alphanumeric: of(table.alphanumeric, 5, 0),
        short_code: of(table.short_code, 3, 0),
        long_number: of(table.long_number, 1, 1),
        recipient: of(table.recipient, 1, 1),
    }
}

fn check_tls(checker: &mut Checker<'_>, given: &Spanned<CarrierTlsTable>) -> TlsConfig {
    let table = given.get_ref();
    let client_certificate = match (&table.certificate, &table.key) {
        (Some(certificate), Some(key)) => Some(ClientCertificate {
            certificate_file: checker.readable(certificate),
            key_file: checker.readable(key),
        }),
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => {
            checker.refuse(
                one.span(),
                "certificate and key belong together; give both or none",
            );
            None
        }
    };
    TlsConfig {
        ca_file: checker.readable(&table.ca),
        server_name: table.server_name.clone(),
        client_certificate,
    }
}
