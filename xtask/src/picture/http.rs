//! One question to a server of ours on this machine.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer: a panel's lines take some hundred kilobytes.
const ANSWER_MAX_BYTES: u64 = 64 << 20;

/// The JSON behind a path.
pub(super) fn ask(host: &str, path: &str) -> Result<Value, String> {
    let failed = |error: std::io::Error| format!("{host}: {error}");
    let mut connection = TcpStream::connect(host).map_err(failed)?;
    connection
        .set_read_timeout(Some(PATIENCE))
        .map_err(failed)?;
    // HTTP 1.0: the answer ends with the connection.
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n").map_err(failed)?;
    let mut answer = String::new();
    let mut bounded = connection.take(ANSWER_MAX_BYTES);
    bounded.read_to_string(&mut answer).map_err(failed)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    if head.split(' ').nth(1) != Some("200") {
        return Err(format!("{host}{path}: {answer}"));
    }
    serde_json::from_str(body).map_err(|error| format!("{host}{path}: {error}"))
}

/// A text as a value in a query.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() {
            out.push(char::from(octet));
        } else {
            write!(out, "%{octet:02X}").expect("a String takes everything");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_letter_or_digit_is_escaped() {
        assert_eq!(escaped("a{b=~\"é\"}"), "a%7Bb%3D%7E%22%C3%A9%22%7D");
    }
}
