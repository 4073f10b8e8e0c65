//! Files of idempotency keys: any bytes give a file or a fault, and no question to it panics or reads outside it.
#![no_main]

use key_table::KeyFile;
use libfuzzer_sys::fuzz_target;

const BLOCK: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let Some((key, bytes)) = data.split_first_chunk::<16>() else {
        return;
    };
    let key = u128::from_le_bytes(*key);
    ask(bytes, key);
    // A fuzzer does not guess checksums: give it the right ones and see what lies behind.
    let mut bytes = bytes.to_vec();
    if bytes.len() < BLOCK {
        return;
    }
    bytes[..8].copy_from_slice(b"HKYKKEYS");
    let blocks = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]) as usize;
    let tail_at = BLOCK.saturating_mul(blocks.saturating_add(1));
    if let Some(tail) = bytes.get(tail_at..) {
        let crc = crc32fast::hash(tail).to_le_bytes();
        bytes[12..16].copy_from_slice(&crc);
    }
    for block in bytes.chunks_exact_mut(BLOCK).take(blocks.saturating_add(1)) {
        let (body, crc) = block.split_at_mut(BLOCK - 4);
        crc.copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    }
    ask(&bytes, key);
});

fn ask(bytes: &[u8], key: u128) {
    if let Ok(file) = KeyFile::open(bytes) {
        for key in [key, 0, u128::MAX] {
            let _ = file.may_hold(key);
            if let Ok(Some(row)) = file.find(key) {
                assert_eq!(row.key, key);
            }
        }
        assert!(file.rows() <= bytes.len() as u64 / 48);
    }
}
