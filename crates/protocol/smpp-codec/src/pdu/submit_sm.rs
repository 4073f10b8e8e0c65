//! `submit_sm` (SMPP 3.4, 4.4.1): the ESME hands a message to the message center.

use super::ShortMessage;

/// Body of `submit_sm`. Layout and rules are those of [`ShortMessage`].
pub type SubmitSm<'a> = ShortMessage<'a>;
