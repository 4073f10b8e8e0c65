//! Every rule of the configuration by the message of whoever breaks it.

mod example;
mod parties;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use message::{Category, Lane};

use super::check::load_with;
use super::effective::{BindMode, IdRule, OnUncertain, Transport};
use super::{Config, Problem, Problems, load};

const MAIN: &str = r#"[server]
listen = "127.0.0.1:7070"
insecure_loopback = true
[journal]
dir = "data"
[[tenant]]
name = "bank"
[[caller]]
name = "app"
tenant = "bank"
key_sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
categories = ["otp"]
[[group]]
name = "home"
tiers = [["alpha"]]
[[route]]
prefix = "44"
group = "home"
"#;

const CARRIER: &str = r#"name = "alpha"
hosts = ["127.0.0.1:2775"]
system_id = "account"
password = "hush"
"#;

static DIRECTORIES: AtomicU64 = AtomicU64::new(0);

/// A configuration in a directory of its own, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(main: &str, carrier: &str) -> Scratch {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("hikyaku-config-{}-{number}", std::process::id()));
        fs::create_dir_all(dir.join("carriers")).unwrap();
        let scratch = Scratch(dir);
        scratch.write("hikyaku.toml", main);
        scratch.write("carriers/alpha.toml", carrier);
        scratch
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn load(&self) -> Result<Config, Problems> {
        let environment =
            |name: &str| (name == "SET").then(|| "a key of sixteen octets".to_owned());
        load_with(&self.0.join("hikyaku.toml"), &environment)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn load_texts(main: &str, carrier: &str) -> Result<Config, Problems> {
    Scratch::new(main, carrier).load()
}

/// `MAIN` with one piece replaced, which must be in it.
fn main_with(old: &str, new: &str) -> Result<Config, Problems> {
    assert!(MAIN.contains(old), "{old}");
    load_texts(&MAIN.replacen(old, new, 1), CARRIER)
}

fn carrier_with(old: &str, new: &str) -> Result<Config, Problems> {
    assert!(CARRIER.contains(old), "{old}");
    load_texts(MAIN, &CARRIER.replacen(old, new, 1))
}

/// The only problem: where it is, and its text behind the file's name.
fn only(result: Result<Config, Problems>) -> (Problem, String) {
    let Problems(mut problems) = result.unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.remove(0);
    let text = problem.to_string();
    let rest = text
        .strip_prefix(&format!("{}:", problem.file.display()))
        .unwrap()
        .to_owned();
    (problem, rest)
}

fn text(result: Result<Config, Problems>) -> String {
    only(result).1
}

#[test]
fn the_shortest_configuration_means_the_defaults() {
    let config = load_texts(MAIN, CARRIER).unwrap();
    assert_eq!(config.category(Category::Otp).lane, Lane::Otp);
    assert_eq!(config.category(Category::Otp).valid_for_ms, 300_000);
    assert_eq!(config.category(Category::Promotional).lane, Lane::Bulk);
    assert_eq!(
        (config.limits.messages, config.limits.bytes),
        (1_000_000, 512 << 20)
    );
    assert_eq!(
        (config.lane_weights, config.journal.partitions),
        ([6, 3, 1], 16)
    );
    assert!(config.journal.dir.ends_with("data") && config.journal.dir.is_absolute());
    let carrier = &config.carriers[0];
    assert_eq!(
        (carrier.window, carrier.contract_per_second, carrier.bind),
        (10, None, BindMode::Transceiver)
    );
    assert_eq!(
        (carrier.message_id_receipt, carrier.stamp_tlv),
        (IdRule::AsIs, false)
    );
    assert_eq!(
        carrier.uncertain.map(|rule| rule.after_ms),
        [5_000, 10_000, 30_000, 30_000]
    );
    assert_eq!(carrier.uncertain[0].action, OnUncertain::ResendOnce);
    assert_eq!(carrier.uncertain[3].action, OnUncertain::AwaitReceipt);
    assert_eq!(
        (carrier.receipt_deadline_ms, carrier.uncertain_deadline_ms),
        (259_200_000, 3_600_000)
    );
    assert_eq!(config.tenants[0].otp_per_second, None);
}

#[test]
fn unknown_keys_and_words_are_refused_with_place_and_what_is_allowed() {
    let (problem, text) = only(main_with(
        "dir = \"data\"",
        "dir = \"data\"\nsyncs = \"always\"",
    ));
    assert_eq!(
        (problem.line, problem.column, problem.key.as_str()),
        (6, 1, "journal.syncs")
    );
    assert!(
        text.starts_with(
            "6:1: journal.syncs: unknown field `syncs`, expected one of `dir`, `sync`"
        ),
        "{text}"
    );

    let (problem, text) = only(main_with("[\"otp\"]", "[\"otp\", \"bulk\"]"));
    assert_eq!((problem.line, problem.column), (12, 22));
    assert_eq!(problem.value, "\"bulk\"");
    assert!(
        text.contains(
            "caller.categories = \"bulk\": unknown variant `bulk`, expected one of `otp`, `alert`"
        ),
        "{text}"
    );

    let (problem, _) = only(carrier_with("name", "nane"));
    assert!(problem.file.ends_with("carriers/alpha.toml"));
    let (_, text) = only(main_with("[journal]\ndir = \"data\"\n", "[journal]\n"));
    assert_eq!(text, "4:1: journal: missing field `dir`");
}

#[test]
fn a_file_that_is_no_toml_is_located() {
    let (problem, _) = only(main_with("\"data\"", "\"data"));
    assert_eq!(problem.line, 5);
    let missing = load(Path::new("no-such-folder/hikyaku.toml"));
    assert!(text(missing).starts_with(" cannot be read: No such file"));
}

#[test]
fn every_number_has_its_range() {
    let limits = |line: &str| main_with("[journal]", &format!("[limits]\n{line}\n[journal]"));
    assert_eq!(
        text(limits("messages = 0")),
        "5:12: limits.messages = 0: allowed are 1 to 134217727"
    );
    assert_eq!(
        text(limits("bytes = 1")),
        "5:9: limits.bytes = 1: allowed are 65536 to 68719476735"
    );
    assert!(
        text(limits("watchers = -1"))
            .contains("limits.watchers = -1: invalid value: integer `-1`, expected u64")
    );
    let carrier = |line: &str| carrier_with("hosts", &format!("{line}\nhosts"));
    assert_eq!(
        text(carrier("contract_per_second = 0")),
        "2:23: contract_per_second = 0: allowed are 1 to 1000000"
    );
    assert_eq!(
        text(carrier("window = 65_537")),
        "2:10: window = 65_537: allowed are 1 to 65536"
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let main = MAIN
        .replace("\"44\"", "\"+44\"")
        .replace("\"bank\"\n[[", "\"Bank\"\n[[");
    let carrier = CARRIER.replace("127.0.0.1:2775", "localhost");
    let Problems(problems) = load_texts(&main, &carrier).unwrap_err();
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(
        keys,
        ["tenant.name", "caller.tenant", "route.prefix", "hosts"]
    );
}

#[test]
fn plain_text_is_for_loopback_only() {
    let text_of = text(main_with("127.0.0.1:7070", "0.0.0.0:7070"));
    assert!(text_of.contains(
        "server.listen = \"0.0.0.0:7070\": plain text is allowed on a loopback address only"
    ));
    assert!(text(main_with("insecure_loopback = true\n", "")).contains("give [server.tls]"));
    let tls = "insecure_loopback = true\n[server.tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n";
    assert!(
        text(main_with("insecure_loopback = true\n", tls)).contains("contradicts [server.tls]")
    );
    assert!(
        text(main_with("127.0.0.1:7070", "localhost"))
            .contains("allowed is an IP address and a port")
    );
}

#[test]
fn tls_files_must_be_there() {
    let tls = "[server.tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n";
    let scratch = Scratch::new(&MAIN.replace("insecure_loopback = true\n", tls), CARRIER);
    scratch.write("c.pem", "certificate");
    assert!(text(scratch.load()).contains("k.pem cannot be read: No such file"));
    scratch.write("k.pem", "key");
    let config = scratch.load().unwrap();
    let Transport::Tls(tls) = config.server.transport else {
        panic!("plain")
    };
    assert_eq!(
        (tls.certificate, tls.client_ca),
        (scratch.0.join("c.pem"), None)
    );
}

#[test]
fn the_two_listeners_differ() {
    let same = main_with(
        "[journal]",
        "[admin]\nlisten = \"127.0.0.1:7070\"\n[journal]",
    );
    assert!(text(same).contains("admin.listen = \"127.0.0.1:7070\": is server.listen already"));
}

#[test]
fn passwords_stay_out_of_sight() {
    let far = text(carrier_with("127.0.0.1:2775", "smsc.example.net:2775"));
    assert!(
        far.contains("password = (secret): allowed only where every host is this machine"),
        "{far}"
    );
    let allowed = CARRIER.replace("127.0.0.1:2775", "smsc.example.net:2775")
        + "allow_inline_password = true\n";
    let config = load_texts(MAIN, &allowed).unwrap();
    assert_eq!(config.carriers[0].password.expose(), "hush");
    assert!(!format!("{config:?}").contains("hush"));
    let wrong = text(carrier_with("\"hush\"", "12345678"));
    assert!(
        wrong.contains("password = (secret)") && !wrong.contains("12345678"),
        "{wrong}"
    );
    assert!(
        text(carrier_with("password = \"hush\"\n", "")).contains("exactly one of password_file")
    );
    let from_variable = carrier_with("password = \"hush\"", "password_env = \"SET\"").unwrap();
    assert_eq!(
        from_variable.carriers[0].password.expose(),
        "a key of sixteen octets"
    );
}

#[test]
fn a_carriers_settings_fit_together() {
    let with = |lines: &str| load_texts(MAIN, &format!("{CARRIER}{lines}"));
    let late = text(with(
        "response_timeout_ms = 3_000\n[uncertain_after_ms]\notp = 4_000\n",
    ));
    assert_eq!(
        late,
        "7:7: uncertain_after_ms.otp = 4_000: allowed are 1 to 3000"
    );
    let short = with("response_timeout_ms = 3_000\n").unwrap();
    assert_eq!(
        short.carriers[0].uncertain.map(|rule| rule.after_ms),
        [3_000; 4]
    );
    assert!(
        text(with("receiver_sessions = 2\n"))
            .contains("has no meaning with bind = \"transceiver\"")
    );
    let pair = with("bind = \"transmitter+receiver\"\nreceiver_sessions = 2\n").unwrap();
    assert_eq!(
        (pair.carriers[0].bind, pair.carriers[0].receiver_sessions),
        (BindMode::TransmitterReceiver, 2)
    );
    assert!(text(with("[reconnect]\nmax_ms = 10\n")).contains("allowed are 1000 to 86400000"));
    assert!(
        text(with("[on_uncertain]\notp = \"pray\"\n"))
            .contains("expected one of `resend_once`, `await_receipt`, `fail`")
    );
    for host in ["smsc", "smsc:0", "::1:2775", ":2775", "smsc:70000"] {
        assert!(
            text(carrier_with("127.0.0.1:2775", host)).contains("allowed is host:port"),
            "{host}"
        );
    }
    assert!(carrier_with("127.0.0.1:2775", "[::1]:2775").is_ok());
}

#[test]
fn the_version_follows_every_file() {
    let one = load_texts(MAIN, CARRIER).unwrap().version;
    assert_eq!(load_texts(MAIN, CARRIER).unwrap().version, one);
    assert_ne!(
        load_texts(&format!("{MAIN}# note\n"), CARRIER)
            .unwrap()
            .version,
        one
    );
    assert_ne!(
        load_texts(MAIN, &format!("{CARRIER}window = 11\n"))
            .unwrap()
            .version,
        one
    );
}
