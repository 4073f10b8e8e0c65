//! The sending side of a stream: bounded, and ended with a word to a client that does not read.

use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;

use crate::limits::{RESPONSES_WAITING_MAX, UNREAD_MAX};
use crate::service::Responses;

type Sent<T> = Result<T, Status>;

/// Where a stream's responses go.
pub(crate) struct Outlet<T> {
    out: mpsc::Sender<Sent<T>>,
    /// Kept for the last word: the channel is full when the client does not read.
    last: mpsc::OwnedPermit<Sent<T>>,
}

/// Why nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// The client has gone.
    Gone,
    /// It has not read for [`UNREAD_MAX`].
    Unread,
}

impl<T: Send + 'static> Outlet<T> {
    pub(crate) fn new() -> (Self, Responses<T>) {
        let (out, responses) = mpsc::channel(RESPONSES_WAITING_MAX + 1);
        let last = out
            .clone()
            .try_reserve_owned()
            .unwrap_or_else(|_| unreachable!("the channel is new and holds more than one"));
        (Self { out, last }, Responses::new(responses))
    }

    /// Sends a response, waiting while the client is behind.
    pub(crate) async fn send(&self, response: T) -> Result<(), Stuck> {
        match timeout(UNREAD_MAX, self.out.send(Ok(response))).await {
            Ok(sent) => sent.map_err(|_| Stuck::Gone),
            Err(_) => Err(Stuck::Unread),
        }
    }

    /// Completes when the client has gone.
    pub(crate) async fn closed(&self) {
        self.out.closed().await;
    }

    /// Ends the stream.
    pub(crate) fn end(self, status: Status) {
        self.last.send(Err(status));
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;
    use tonic::Code;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_told_after_what_was_sent() {
        let (outlet, mut responses) = Outlet::new();
        for number in 0..RESPONSES_WAITING_MAX {
            assert_eq!(outlet.send(number).await, Ok(()));
        }
        assert_eq!(outlet.send(99).await, Err(Stuck::Unread));
        outlet.end(Status::new(Code::ResourceExhausted, "read"));
        for number in 0..RESPONSES_WAITING_MAX {
            assert_eq!(responses.next().await.unwrap().unwrap(), number);
        }
        let last = responses.next().await.unwrap().unwrap_err();
        assert_eq!(last.code(), Code::ResourceExhausted);
        assert!(responses.next().await.is_none());
    }

    #[tokio::test]
    async fn who_has_gone_is_noticed() {
        let (outlet, responses) = Outlet::new();
        drop(responses);
        outlet.closed().await;
        assert_eq!(outlet.send(1).await, Err(Stuck::Gone));
    }
}
