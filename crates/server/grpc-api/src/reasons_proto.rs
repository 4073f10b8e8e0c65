//! `proto/hikyaku/v1/reason.proto` is rendered from [`message::ALL_REASONS`], so that a reason has one number and one name everywhere.

use std::fmt::Write as _;
use std::{env, fs};

use message::ALL_REASONS;

use crate::v1;

const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../proto/hikyaku/v1/reason.proto"
);

fn rendered() -> String {
    let mut text = String::from(
        "syntax = \"proto3\";\n\npackage hikyaku.v1;\n\n\
         // Why something happened to a message, or why it was refused. Numbers and names are permanent and never reused. This file is\n\
         // rendered from the engine's list: `HIKYAKU_BLESS=1 cargo test -p grpc-api` writes it anew.\n\
         enum Reason {\n",
    );
    for reason in ALL_REASONS {
        let name = match reason.number() {
            0 => "UNSPECIFIED",
            _ => reason.name(),
        };
        let _ = writeln!(
            text,
            "  // {}\n  REASON_{name} = {};",
            reason.explanation(),
            reason.number()
        );
    }
    text.push_str("}\n");
    text
}

#[test]
fn the_contract_lists_every_reason() {
    if env::var_os("HIKYAKU_BLESS").is_some() {
        fs::write(PATH, rendered()).unwrap();
    }
    let written = fs::read_to_string(PATH).unwrap();
    assert!(
        written == rendered(),
        "reason.proto is stale: run `HIKYAKU_BLESS=1 cargo test -p grpc-api`"
    );
}

#[test]
fn the_generated_enum_carries_the_same_numbers_and_names() {
    for reason in ALL_REASONS {
        let wire = v1::Reason::try_from(i32::from(reason.number())).unwrap();
        let name = wire.as_str_name().strip_prefix("REASON_").unwrap();
        let expected = if reason.number() == 0 {
            "UNSPECIFIED"
        } else {
            reason.name()
        };
        assert_eq!(name, expected);
    }
}
