//! The shipped example: it loads, and the defaults it names are the defaults.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CARRIER, Scratch};
use crate::config::effective::Transport;
use crate::config::load;

#[test]
fn the_shipped_example_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hikyaku.toml");
    let config = load(&path).unwrap();
    let example = config
        .carriers
        .iter()
        .find(|carrier| carrier.name.as_str() == "example");
    assert_eq!(example.map(|carrier| carrier.window), Some(10));
    assert_eq!(config.server.transport, Transport::PlainLoopback);
}

/// The example names each default in a comment: with every comment switched on it must mean the same.
#[test]
fn the_defaults_named_in_the_example_are_the_defaults() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let shipped_main = fs::read_to_string(folder.join("hikyaku.toml")).unwrap();
    let shipped_carrier = fs::read_to_string(folder.join("carriers/example.toml")).unwrap();
    let meaning = |main: &str, carrier: &str| {
        let scratch = Scratch::new(main, CARRIER);
        fs::remove_file(scratch.0.join("carriers/alpha.toml")).unwrap();
        scratch.write("carriers/example.toml", carrier);
        let mut config = scratch.load().unwrap();
        config.version = 0;
        config.journal.dir = PathBuf::new();
        format!("{config:#?}")
    };
    let (main, carrier) = (uncommented(&shipped_main), uncommented(&shipped_carrier));
    assert_eq!(
        meaning(&main.0, &carrier.0),
        meaning(&shipped_main, &shipped_carrier)
    );
    assert_eq!((main.1, carrier.1), (39, 33));
}

/// Switches on the commented settings, except alternatives to a setting that is on, and TLS, which needs files.
fn uncommented(shipped: &str) -> (String, usize) {
    let skipped = [
        "allow_inline_password",
        "ca",
        "certificate",
        "client_ca",
        "key",
        "password_env",
        "password_file",
        "receiver_sessions",
        "server_name",
        // Belongs to `sync = "interval"`, and is refused beside the default.
        "sync_interval_ms",
    ];
    let mut text = String::new();
    let mut switched_on = 0;
    for line in shipped.lines() {
        let setting = line.strip_prefix("# ").filter(|rest| {
            rest.split_once(" = ").is_some_and(|(name, _)| {
                let key = name
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
                key && !skipped.contains(&name)
            })
        });
        switched_on += usize::from(setting.is_some());
        text.push_str(setting.unwrap_or(line));
        text.push('\n');
    }
    (text, switched_on)
}
