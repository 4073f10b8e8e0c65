//! `network_error_code`: the error of the network behind the message center (SMPP 3.4, 5.3.2.31).

/// Why the network did not deliver: its type and its own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetworkErrorCode {
    /// 1 ANSI-136, 2 IS-95, 3 GSM, 4 reserved; 5.0 adds 7 SMPP and 8 message-center specific.
    pub network_type: u8,
    /// The code in that network's table.
    pub code: u16,
}
