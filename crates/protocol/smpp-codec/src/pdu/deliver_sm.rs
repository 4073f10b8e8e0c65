//! `deliver_sm` (SMPP 3.4, 4.6.1): the message center hands a receipt or an inbound message to the ESME.

use super::ShortMessage;

/// Body of `deliver_sm`: octet for octet the layout of `submit_sm`, with schedule_delivery_time, validity_period,
/// replace_if_present_flag and sm_default_msg_id unused. In a receipt the two addresses are usually, not always,
/// swapped.
pub type DeliverSm<'a> = ShortMessage<'a>;
