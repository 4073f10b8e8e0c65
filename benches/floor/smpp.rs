//! Raw SMPP: a blaster of PDUs encoded beforehand and a sink that answers each. Nothing is remembered, no text is read, no timer runs.
//!
//! All that a window has room for goes out in one write, as the engine's driver does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Meter, Sample, far_side, joined};

const SUBMIT_SM: u32 = 0x0000_0004;
const SUBMIT_SM_RESP: u32 = 0x8000_0004;
const HEADER: usize = 16;
/// The answer's message id: eight digits and their end.
const MESSAGE_ID: &[u8] = b"00000000\0";
/// Octets of the text.
const TEXT_LEN: usize = 100;

/// `window` requests in flight on one connection.
pub(crate) fn run(window: usize, running: Duration) -> Result<Sample, String> {
    let text = |error: std::io::Error| error.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    let sink = far_side(move || {
        let (connection, _) = listener.accept().map_err(text)?;
        sink(connection).map_err(text)
    });
    let connection = TcpStream::connect(address).map_err(text)?;
    connection.set_nodelay(true).map_err(text)?;
    let meter = blast(&connection, window, running).map_err(text)?;
    // The sink ends with the connection.
    drop(connection);
    let far_cpu = joined(sink)?;
    Ok(meter.done(far_cpu))
}

fn blast(mut connection: &TcpStream, window: usize, running: Duration) -> std::io::Result<Meter> {
    let pdu = submit_sm();
    let mut requests = pdu.repeat(window);
    let mut answers = vec![0; 64 * 1_024];
    let (mut sequence, mut kept) = (0_u32, 0);
    let mut free = window;
    let mut asked = Instant::now();
    let mut meter = Meter::start(running);
    while !meter.is_over() {
        if free > 0 {
            for request in requests.chunks_exact_mut(pdu.len()).take(free) {
                sequence = sequence % 0x7fff_ffff + 1;
                request[12..16].copy_from_slice(&sequence.to_be_bytes());
            }
            asked = Instant::now();
            connection.write_all(&requests[..free * pdu.len()])?;
            free = 0;
        }
        let read = connection.read(&mut answers[kept..])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (count, used) = frames(&answers[..kept + read]);
        answers.copy_within(used..kept + read, 0);
        kept = kept + read - used;
        free += count;
        meter.answered(count as u64, asked);
    }
    Ok(meter)
}

/// Answers until the connection is closed.
fn sink(mut connection: TcpStream) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut requests = vec![0; 256 * 1_024];
    let mut answers = Vec::with_capacity(64 * 1_024);
    let mut kept = 0;
    loop {
        let read = match connection.read(&mut requests[kept..]) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(read) => read,
        };
        let (_, used) = frames(&requests[..kept + read]);
        let mut at = 0;
        while at < used {
            let length = frame_length(&requests[at..]);
            answers.extend_from_slice(&((HEADER + MESSAGE_ID.len()) as u32).to_be_bytes());
            answers.extend_from_slice(&SUBMIT_SM_RESP.to_be_bytes());
            answers.extend_from_slice(&[0; 4]);
            answers.extend_from_slice(&requests[at + 12..at + 16]);
            answers.extend_from_slice(MESSAGE_ID);
            at += length;
        }
        requests.copy_within(used..kept + read, 0);
        kept = kept + read - used;
        if connection.write_all(&answers).is_err() {
            return Ok(());
        }
        answers.clear();
    }
}

/// How many whole frames there are, and how many octets they take.
fn frames(octets: &[u8]) -> (usize, usize) {
    let (mut count, mut used) = (0, 0);
    while octets.len() - used >= HEADER {
        let length = frame_length(&octets[used..]);
        if octets.len() - used < length {
            break;
        }
        used += length;
        count += 1;
    }
    (count, used)
}

/// Both sides are ours: a length is never less than a header.
fn frame_length(frame: &[u8]) -> usize {
    let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
    (length as usize).max(HEADER)
}

/// SMPP 3.4, 4.4.1: service type, both addresses, flags, a text of [`TEXT_LEN`].
fn submit_sm() -> Vec<u8> {
    let mut body = b"\0\x05\0Hikyaku\0\x01\x01819012345678\0".to_vec();
    // esm_class, protocol_id, priority_flag, schedule_delivery_time, validity_period.
    body.extend_from_slice(&[0, 0, 0, 0, 0]);
    // registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id, sm_length.
    body.extend_from_slice(&[1, 0, 0, 0, TEXT_LEN as u8]);
    body.extend_from_slice(&[b'x'; TEXT_LEN]);
    let mut pdu = ((HEADER + body.len()) as u32).to_be_bytes().to_vec();
    pdu.extend_from_slice(&SUBMIT_SM.to_be_bytes());
    pdu.extend_from_slice(&[0; 8]);
    pdu.extend_from_slice(&body);
    pdu
}
