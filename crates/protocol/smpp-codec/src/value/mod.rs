//! Values that several PDUs share, one file each.

mod c_octet_string;
mod data_coding;
mod esm_class;
mod interface_version;
mod message_state;
mod network_error_code;
mod registered_delivery;

pub use c_octet_string::COctetString;
pub use data_coding::DataCoding;
pub use esm_class::{EsmClass, MessageType, MessagingMode};
pub use interface_version::InterfaceVersion;
pub use message_state::MessageStateValue;
pub use network_error_code::NetworkErrorCode;
pub use registered_delivery::{ReceiptRequest, RegisteredDelivery};

pub(crate) use c_octet_string::masked_digits;
