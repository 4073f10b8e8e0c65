//! One connection: bytes in, one turn over what they say, one write of what follows.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use smpp_codec::{BindResp, COctetString, CommandStatus, Pdu, SubmitSmResp};
use smpp_session::{ConfigError, RequestKind, Retry, Role, Session, SessionConfig, SessionState};
use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::answers::{Audible, PlannedAnswer};
use super::clock;
use super::config::{SlowReader, SmscConfig};
use super::desk::{BindRequest, ConnectionState, Desk, Fate};
use super::inbound::WriteFirst;
use super::input::{Input, READ_MAX_BYTES};
use super::receipt_text::{IdText, ReceiptLook, ReceiptWriter};
use super::receipts::ReceiptKey;
use super::socket::{Socket, acknowledge_now, peer_is_gone};
use super::world::{BindRefusal, MS_NS, SharedWorld, World, lock};

/// Octets that wait to be written at which nothing more is read.
const WRITE_WAITING_MAX_BYTES: usize = 1024 * 1024;
/// Octets that wait at which the peer is taken for one that never reads.
const WRITE_WAITING_HARD_MAX_BYTES: usize = 16 * 1024 * 1024;
/// A closing connection may take so long to write what waits.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often a hung connection looks whether its peer is still there, and for how long.
const HUNG_LOOK: Duration = Duration::from_millis(50);
const HUNG_MAX: Duration = Duration::from_secs(600);

/// Why [`Connection::wait`] came back.
enum Wake {
    /// There is something to do.
    Turn,
    /// The peer is gone.
    Ended,
}

/// One connection with all it needs.
pub(crate) struct Connection<S> {
    stream: S,
    session: Session,
    state: ConnectionState,
    world: SharedWorld,
    config: Arc<SmscConfig>,
    wake: Arc<Notify>,
    input: Input,
    ready: Vec<PlannedAnswer>,
    receipts: ReceiptWriter,
    /// A receipt found no room among the octets to write: turn again when they are written.
    receipts_blocked: bool,
    sleep: Pin<Box<Sleep>>,
    armed_ns: Option<u64>,
    turned_ns: u64,
    opened_ns: u64,
}

impl<S: Socket> Connection<S> {
    /// A connection that was just made.
    pub(crate) fn new(
        stream: S,
        config: Arc<SmscConfig>,
        world: SharedWorld,
    ) -> Result<Self, ConfigError> {
        let now_ns = clock::mono_ns();
        let session = Session::new(
            SessionConfig {
                window_size: config.receipts.window,
                response_timeout_ns: config.receipts.timeout_ms.saturating_mul(MS_NS),
                transmit_max_bytes: WRITE_WAITING_MAX_BYTES,
                transmit_hard_max_bytes: WRITE_WAITING_HARD_MAX_BYTES,
                ..SessionConfig::new(Role::Mc)
            },
            now_ns,
        )?;
        let wake = Arc::new(Notify::new());
        let id = lock(&world).connect(Arc::clone(&wake));
        Ok(Self {
            stream,
            session,
            state: ConnectionState::new(id, config.shuffle_answers),
            world,
            config,
            wake,
            input: Input::new(),
            ready: Vec::new(),
            receipts: ReceiptWriter::default(),
            receipts_blocked: false,
            sleep: Box::pin(sleep(Duration::ZERO)),
            armed_ns: None,
            turned_ns: now_ns,
            opened_ns: now_ns,
        })
    }

    /// Until its end. Dropped before, it ends there and then.
    pub(crate) async fn run(mut self) {
        loop {
            self.turn();
            match self.state.fate {
                Fate::Running => {}
                Fate::Closing | Fate::Dropped => return self.say_goodbye().await,
                Fate::Hung => return self.hang().await,
            }
            match self.wait().await {
                Wake::Turn => {}
                Wake::Ended => return,
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        let wake = Arc::clone(&self.wake);
        let mut notified = pin!(wake.notified());
        poll_fn(|cx| self.poll_wait(cx, notified.as_mut())).await
    }

    /// Writes, reads, and looks at what else may have come. Written is first, so that the answers of a turn leave in it.
    fn poll_wait(&mut self, cx: &mut Context<'_>, notified: Pin<&mut Notified<'_>>) -> Poll<Wake> {
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) if self.receipts_blocked => return Poll::Ready(Wake::Turn),
            Poll::Ready(Ok(())) | Poll::Pending => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Wake::Ended),
        }
        if self.may_read()
            && let Poll::Ready(wake) = self.poll_read(cx)
        {
            return Poll::Ready(wake);
        }
        if notified.poll(cx).is_ready() {
            return Poll::Ready(Wake::Turn);
        }
        self.arm();
        if self.armed_ns.is_some() && self.sleep.as_mut().poll(cx).is_ready() {
            self.armed_ns = None;
            return Poll::Ready(Wake::Turn);
        }
        Poll::Pending
    }

    /// Ready when nothing waits above the kernel.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while !self.session.transmit().is_empty() {
            let stream = Pin::new(&mut self.stream);
            match stream.poll_write(cx, self.session.transmit())? {
                Poll::Ready(0) => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                Poll::Ready(octets) => self.session.handle_transmitted(octets),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        let room = self.input.room(self.read_max_bytes());
        let mut buffer = ReadBuf::new(room);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Wake::Ended),
            Poll::Ready(Ok(())) => {}
        }
        let octets = buffer.filled().len();
        if octets == 0 {
            return Poll::Ready(Wake::Ended);
        }
        self.input.filled(octets);
        // A socket that cannot be told is about to end, which the next read will say.
        if self.config.quick_ack && acknowledge_now(self.stream.tcp()).is_err() {
            return Poll::Ready(Wake::Ended);
        }
        if let SlowReader::BytesPerSecond(rate) = self.config.slow_reader {
            let cost_ns = (octets as u64).saturating_mul(1_000_000_000) / rate;
            self.state.read_from_ns = clock::mono_ns().saturating_add(cost_ns);
        }
        Poll::Ready(Wake::Turn)
    }

    fn may_read(&self) -> bool {
        self.state.read_from_ns <= self.turned_ns
            && self.session.transmit().len() < WRITE_WAITING_MAX_BYTES
    }

    fn read_max_bytes(&self) -> usize {
        match self.config.slow_reader {
            SlowReader::Off | SlowReader::Pause { .. } => READ_MAX_BYTES,
            SlowReader::BytesPerSecond(rate) => {
                // Fifty reads a second, as far as that gives whole octets.
                usize::try_from(rate / 50)
                    .unwrap_or(usize::MAX)
                    .clamp(1, READ_MAX_BYTES)
            }
        }
    }

    /// Sets the timer to the next deadline, unless it goes off before that anyway: moving it with every batch would cost more than
    /// a needless turn now and then.
    fn arm(&mut self) {
        let Some(deadline_ns) = self.next_deadline_ns() else {
            return;
        };
        if self.armed_ns.is_none_or(|armed_ns| deadline_ns < armed_ns) {
            let wait = Duration::from_nanos(deadline_ns.saturating_sub(clock::mono_ns()));
            self.sleep.as_mut().reset(Instant::now() + wait);
            self.armed_ns = Some(deadline_ns);
        }
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        let read_from_ns = self.state.read_from_ns;
        [
            self.session.poll_timeout(),
            self.state.answers.next_due_ns(),
            self.drop_at_ns(),
            (read_from_ns > self.turned_ns).then_some(read_from_ns),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    async fn say_goodbye(mut self) {
        let _ = timeout(GOODBYE, async {
            poll_fn(|cx| self.poll_write(cx)).await?;
            if self.state.fate == Fate::Closing {
                self.stream.shutdown().await?;
            }
            Ok::<(), std::io::Error>(())
        })
        .await;
        if self.state.fate == Fate::Dropped {
            lock(&self.world).counts.connections_dropped += 1;
        }
    }

    /// Answers what was taken, then does nothing at all until the peer goes away.
    async fn hang(mut self) {
        lock(&self.world).counts.connections_hung += 1;
        let _ = timeout(GOODBYE, poll_fn(|cx| self.poll_write(cx))).await;
        let _ = timeout(HUNG_MAX, async {
            while !peer_is_gone(self.stream.tcp()) {
                sleep(HUNG_LOOK).await;
            }
        })
        .await;
    }
}

impl<S> Connection<S> {
    /// All that is to be done now, under the lock of the world.
    fn turn(&mut self) {
        let shared = Arc::clone(&self.world);
        let world = &mut *lock(&shared);
        let now_ns = clock::mono_ns();
        self.turned_ns = now_ns;
        self.receipts_blocked = false;
        self.handle_input(world, now_ns);
        if let Some(request) = self.state.bind_request.take() {
            self.decide_bind(world, &request, now_ns);
        }
        for (sequence_number, kind, status) in std::mem::take(&mut self.state.refusals) {
            let refused = self.session.refuse(sequence_number, kind, status, now_ns);
            self.note_fault(refused.is_err());
        }
        self.give_answers(world, now_ns);
        if let Some(account) = self.state.account {
            if self.state.fate == Fate::Running {
                self.send_receipts(world, account, now_ns);
                self.give_answers(world, now_ns);
            }
            world.wake_receivers(account, Some(self.state.id));
        }
        let is_over = self.drop_at_ns().is_some_and(|at_ns| at_ns <= now_ns);
        if is_over && self.state.fate == Fate::Running {
            self.state.fate = Fate::Dropped;
        }
    }

    /// When the script closes the connection, if by time.
    fn drop_at_ns(&self) -> Option<u64> {
        let after_ns = self.config.drop_after_ms?.saturating_mul(MS_NS);
        Some(self.opened_ns.saturating_add(after_ns))
    }

    fn handle_input(&mut self, world: &mut World, now_ns: u64) {
        let mut desk = Desk {
            world,
            state: &mut self.state,
            now_ns,
        };
        let handled = self
            .session
            .handle_bytes(self.input.unread(), now_ns, &mut desk);
        if self
            .session
            .poll_timeout()
            .is_some_and(|due_ns| due_ns <= now_ns)
        {
            self.session.handle_timeout(now_ns, &mut desk);
        }
        match handled {
            Ok(octets) => self.input.consume(octets),
            Err(_) => {
                world.counts.protocol_errors += 1;
                self.note_fault(true);
            }
        }
    }

    fn note_fault(&mut self, is_faulty: bool) {
        if is_faulty && self.state.fate == Fate::Running {
            self.state.fate = Fate::Closing;
        }
    }

    fn decide_bind(&mut self, world: &mut World, request: &BindRequest, now_ns: u64) {
        let decided = match world.bind(&request.system_id, &request.password) {
            Err(refusal) => self.session.refuse_bind(match refusal {
                BindRefusal::UnknownSystemId => CommandStatus::InvalidSystemId,
                BindRefusal::WrongPassword => CommandStatus::InvalidPassword,
                BindRefusal::TooMany => CommandStatus::AlreadyBound,
            }),
            Ok(account) => {
                self.state.account = Some(account);
                if request.bind_type.may_deliver() {
                    world.add_receiver(account, self.state.id, Arc::clone(&self.wake));
                }
                let response = BindResp {
                    system_id: COctetString::new(self.config.system_id.as_bytes()),
                    ..BindResp::default()
                };
                self.session.accept_bind(response, now_ns).map(|_| ())
            }
        };
        self.note_fault(decided.is_err());
    }

    /// Gives the answers that are due, and starts the receipts that waited for them.
    fn give_answers(&mut self, world: &mut World, now_ns: u64) {
        world.collect_mail(self.state.id, &mut self.ready);
        let mut desk = Desk {
            world,
            state: &mut self.state,
            now_ns,
        };
        self.ready.drain(..).for_each(|answer| desk.plan(answer));
        self.state
            .answers
            .take_ready(now_ns, &mut world.dice, &mut self.ready);
        let mut ready = std::mem::take(&mut self.ready);
        for answer in ready.drain(..) {
            if answer.audible == Audible::Yes {
                let given = self.respond(&answer, now_ns);
                self.note_fault(given.is_err());
            }
            if let Some(key) = answer.receipt {
                world.start_receipt(key, now_ns);
            }
        }
        self.ready = ready;
    }

    fn respond(
        &mut self,
        answer: &PlannedAnswer,
        now_ns: u64,
    ) -> Result<(), smpp_session::RespondError> {
        let Some(message) = answer.message else {
            return self.session.refuse(
                answer.sequence_number,
                RequestKind::SubmitSm,
                answer.status,
                now_ns,
            );
        };
        let id = IdText::new(message, self.config.response_id_format);
        let response = SubmitSmResp {
            message_id: COctetString::new(id.as_bytes()),
            ..SubmitSmResp::default()
        };
        let pdu = Pdu::SubmitSmResp(response);
        self.session
            .respond(answer.sequence_number, answer.status, &pdu, now_ns)
    }

    /// Sends messages from handsets and receipts while the window has room and the session may deliver.
    fn send_receipts(&mut self, world: &mut World, account: usize, now_ns: u64) {
        let SessionState::Bound(bind_type) = self.session.state() else {
            return;
        };
        if !bind_type.may_deliver() {
            return;
        }
        let write_first = world.send_inbound(&mut self.session, now_ns);
        self.receipts_blocked |= write_first == WriteFirst::Yes;
        while self.session.window_free() > 0 {
            let Some(key) = world.pop_pending(account) else {
                return;
            };
            if !self.send_receipt(world, key, now_ns) {
                world.put_back(account, key);
                return;
            }
        }
    }

    /// False when it has to wait.
    fn send_receipt(&mut self, world: &mut World, key: ReceiptKey, now_ns: u64) -> bool {
        let Some(receipt) = world.book.find(key) else {
            return true;
        };
        let look = ReceiptLook {
            content: self.config.receipts.content,
            id_format: self.config.receipt_id_format,
        };
        let pdu = self.receipts.write(receipt, look, clock::wall_ms());
        if let Err(error) = self.session.submit(key.0, &pdu, now_ns) {
            match error.retry() {
                Retry::AfterWrite => self.receipts_blocked = true,
                Retry::AfterAnswer | Retry::WhenBound | Retry::Reconnect => {}
                // An address that we read and may not write: nobody will ever get this receipt.
                Retry::Never => {
                    world.book.settle(key);
                    world.counts.receipts_given_up += 1;
                    return true;
                }
            }
            return false;
        }
        receipt.attempts += 1;
        let (first, message) = (receipt.attempts == 1, receipt.message);
        let held = receipt.held.take();
        if first {
            world.counts.receipts_sent += 1;
        } else {
            world.counts.receipts_resent += 1;
        }
        if let Some(held) = held {
            let answer = PlannedAnswer {
                sequence_number: held.sequence_number,
                status: CommandStatus::Ok,
                message: Some(message),
                receipt: None,
                audible: Audible::Yes,
            };
            world.post(held.connection, answer);
        }
        true
    }
}

/// Whatever ends a connection, what it held goes back: receipts in flight to the next session, messages without an answer to their
/// receipts.
impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        let world = &mut *lock(&self.world);
        let now_ns = clock::mono_ns();
        let lost = self.session.close();
        for correlation in lost.unwritten.into_iter().chain(lost.uncertain) {
            world.give_back(correlation);
        }
        let unanswered = world.disconnect(self.state.id);
        for answer in self.state.answers.drain().chain(unanswered) {
            if let Some(key) = answer.receipt {
                world.start_receipt(key, now_ns);
            }
        }
        if let Some(account) = self.state.account {
            world.unbind(account, self.state.id);
            world.wake_receivers(account, None);
        }
    }
}
