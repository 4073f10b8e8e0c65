//! Who may connect and who serves what.

use std::fs;

use super::{CARRIER, MAIN, Scratch, carrier_with, load_texts, main_with, text};
use crate::config::Problems;
use crate::config::effective::Credential;

const KEY_LINE: &str =
    "key_sha256 = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"";

#[test]
fn a_caller_has_exactly_one_credential() {
    for line in ["", "key_env = \"SET\"\nkey_file = \"key\"\n"] {
        assert!(
            text(main_with(&format!("{KEY_LINE}\n"), line))
                .contains("give exactly one of key_sha256")
        );
    }
    assert!(
        text(main_with(KEY_LINE, "key_sha256 = \"00\""))
            .contains("allowed are 64 hexadecimal digits")
    );
    assert!(
        text(main_with(KEY_LINE, "key_env = \"UNSET\""))
            .contains("environment variable is not set")
    );
    assert!(
        text(main_with(KEY_LINE, "certificate_san = \"app\""))
            .contains("needs server.tls.client_ca")
    );
}

#[test]
fn keys_from_files_and_variables_are_hashed() {
    let from_variable = main_with(KEY_LINE, "key_env = \"SET\"").unwrap();
    let scratch = Scratch::new(&MAIN.replace(KEY_LINE, "key_file = \"key\""), CARRIER);
    scratch.write("key", "a key of sixteen octets\n");
    let from_file = scratch.load().unwrap();
    assert_eq!(
        from_file.callers[0].credential,
        from_variable.callers[0].credential
    );
    // printf %s 'a key of sixteen octets' | sha256sum
    let Credential::KeySha256(hash) = from_file.callers[0].credential else {
        panic!("no key")
    };
    assert_eq!(hash[..4], [0x1b, 0x4e, 0xf2, 0x89]);
    scratch.write("key", "short");
    let text = text(scratch.load());
    assert!(
        text.contains("holds a key of 5 octets; allowed are 16 to 256"),
        "{text}"
    );
    assert!(!text.contains("short"));
}

#[test]
fn names_are_unique_known_and_well_formed() {
    let twice = MAIN.replace("[[caller]]", "[[tenant]]\nname = \"bank\"\n[[caller]]");
    assert!(
        text(load_texts(&twice, CARRIER))
            .contains("tenant.name = \"bank\": there is a tenant of this name already")
    );
    assert!(
        text(main_with("tenant = \"bank\"", "tenant = \"banc\""))
            .contains("no such tenant; configured are bank")
    );
    assert!(
        text(main_with("[[\"alpha\"]]", "[[\"beta\"]]"))
            .contains("no such carrier; configured are alpha")
    );
    assert!(
        text(main_with("[[\"alpha\"]]", "[[\"alpha\"], [\"alpha\"]]"))
            .contains("is in this group twice")
    );
    assert!(
        text(main_with("group = \"home\"", "group = \"away\""))
            .contains("no such group; configured are home")
    );
    assert!(text(carrier_with("\"alpha\"", "\"beta\"")).contains("must be the file's name"));
    let second = format!(
        "{}[[caller]]\nname = \"app2\"\ntenant = \"bank\"\n{KEY_LINE}\ncategories = [\"otp\"]\n",
        MAIN
    );
    assert!(text(load_texts(&second, CARRIER)).contains("has the credential of caller app"));
    let route = format!("{MAIN}[[route]]\nprefix = \"44\"\ngroup = \"home\"\n");
    assert!(text(load_texts(&route, CARRIER)).contains("this prefix has a route already"));
}

#[test]
fn every_party_is_needed() {
    let main =
        "[server]\nlisten = \"127.0.0.1:0\"\ninsecure_loopback = true\n[journal]\ndir = \"data\"\n";
    let Problems(problems) = load_texts(main, CARRIER).unwrap_err();
    let missing: Vec<_> = problems
        .iter()
        .map(|problem| problem.what.split(';').next().unwrap())
        .collect();
    assert_eq!(
        missing,
        [
            "no [[tenant]]",
            "no [[caller]]",
            "no [[group]]",
            "no [[route]]"
        ]
    );
    let scratch = Scratch::new(MAIN, CARRIER);
    fs::remove_file(scratch.0.join("carriers/alpha.toml")).unwrap();
    let Problems(problems) = scratch.load().unwrap_err();
    assert!(
        problems[0].what.contains("holds 0 carriers"),
        "{problems:?}"
    );
}
