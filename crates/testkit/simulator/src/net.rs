//! The network: one link per connection, two directions, each with a latency, a bounded buffer and an end.
//!
//! ```text
//! engine's session ── SimWire ──► [flying] ──latency──► McEnd ── carrier's session
//!                     ◄──────────────────────────────── (the same the other way)
//! ```
//!
//! A link loses no byte and swaps none while it lives, as TCP. It can be cut: what is on the way is lost from some byte on, in the
//! middle of a PDU or not, and each end hears of it at a time of its own, or never (then its timers must notice).
//!
//! Limits: [`BUFFER_BYTES`] in flight a direction; more is refused until the reader has taken some.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use smpp_client::{Flushed, ReadResult, WRITE_MAX_BYTES, Wire};
use smpp_session::Session;

use crate::clock::{self, MS, US};
use crate::dice::Dice;

/// What a direction holds: the two sockets' buffers together.
const BUFFER_BYTES: usize = 48 * 1024;

/// Which end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Engine,
    Carrier,
}

/// At a true time something can be read or written at an end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stir {
    pub(crate) at_ns: u64,
    pub(crate) link: u32,
    pub(crate) end: End,
    pub(crate) writable: bool,
}

/// How a direction ended, as its reader finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// After the last byte: nothing follows.
    Finished,
    /// An error.
    Reset,
}

#[derive(Debug, Default)]
struct Direction {
    /// Bytes under way: when they arrive, and how much of each was read.
    flying: VecDeque<(u64, Vec<u8>)>,
    waiting_bytes: usize,
    last_arrival_ns: u64,
    ending: Option<(u64, Ending)>,
    /// Whether the writer was refused and waits.
    writer_waits: bool,
    /// Whether what is written vanishes.
    severed: bool,
}

#[derive(Debug)]
struct LinkState {
    number: u32,
    to_carrier: Direction,
    to_engine: Direction,
    latency_ns: u64,
    jitter_ns: u64,
    dice: Dice,
    stirs: Stirs,
}

/// Where links say what becomes due at their ends; the world takes it from there.
pub(crate) type Stirs = Rc<RefCell<Vec<Stir>>>;

/// One connection, shared by its ends and the world.
#[derive(Clone, Debug)]
pub(crate) struct Link(Rc<RefCell<LinkState>>);

/// How a link is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both ends hear of it soon.
    Heard,
    /// Nobody hears of it; what is written vanishes.
    Silent,
}

impl Link {
    pub(crate) fn new(number: u32, mut dice: Dice, stirs: Stirs) -> Self {
        let latency_ns = dice.pick(&[50 * US, 200 * US, MS, 5 * MS, 20 * MS]);
        Self(Rc::new(RefCell::new(LinkState {
            number,
            to_carrier: Direction::default(),
            to_engine: Direction::default(),
            latency_ns,
            jitter_ns: latency_ns / 4,
            dice,
            stirs,
        })))
    }

    pub(crate) fn cut(&self, cut: Cut) {
        let mut state = self.0.borrow_mut();
        let now_ns = clock::true_ns();
        for end in [End::Engine, End::Carrier] {
            let heard_ns = now_ns + state.dice.below(30 * MS);
            let keep_per_mille = state.dice.below(1_000);
            let direction = state.towards(end);
            direction.lose_tail(keep_per_mille);
            direction.severed = true;
            if cut == Cut::Heard {
                let heard_ns = heard_ns.max(direction.last_arrival_ns);
                direction.ending.get_or_insert((heard_ns, Ending::Reset));
                state.stir(end, heard_ns, false);
            }
        }
    }

    /// One end goes away in order: what it has written arrives, then nothing follows. Its peer's bytes vanish.
    pub(crate) fn finish(&self, by: End) {
        let mut state = self.0.borrow_mut();
        let other = by.other();
        let at_ns = state.arrival(other);
        let direction = state.towards(other);
        if direction.ending.is_none() && !direction.severed {
            direction.ending = Some((at_ns, Ending::Finished));
            state.stir(other, at_ns, false);
        }
        state.towards(by).severed = true;
    }

    pub(crate) fn write(&self, by: End, octets: &[u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        let now_ns = clock::true_ns();
        if matches!(state.towards(by).ending, Some((at_ns, Ending::Reset)) if at_ns <= now_ns) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let other = by.other();
        let at_ns = state.arrival(other);
        let direction = state.towards(other);
        let room = BUFFER_BYTES - direction.waiting_bytes.min(BUFFER_BYTES);
        let taken = octets.len().min(room);
        if taken < octets.len() {
            direction.writer_waits = true;
        }
        if taken == 0 {
            return Ok(0);
        }
        if direction.severed {
            // A peer that is gone takes what the buffer holds, and nobody ever reads it.
            direction.waiting_bytes += taken;
            return Ok(taken);
        }
        direction.waiting_bytes += taken;
        direction
            .flying
            .push_back((at_ns, octets[..taken].to_vec()));
        direction.last_arrival_ns = at_ns;
        state.stir(other, at_ns, false);
        Ok(taken)
    }

    /// `None` when nothing is there yet, 0 when nothing follows.
    pub(crate) fn read(&self, by: End, into: &mut [u8]) -> io::Result<Option<usize>> {
        let mut state = self.0.borrow_mut();
        let now_ns = clock::true_ns();
        let direction = state.towards(by);
        let mut filled = 0;
        while let Some((at_ns, octets)) = direction.flying.front_mut() {
            if *at_ns > now_ns || filled == into.len() {
                break;
            }
            let some = octets.len().min(into.len() - filled);
            into[filled..filled + some].copy_from_slice(&octets[..some]);
            filled += some;
            octets.drain(..some);
            if octets.is_empty() {
                direction.flying.pop_front();
            }
        }
        direction.waiting_bytes -= filled;
        let ending = direction.ending.filter(|(at_ns, _)| *at_ns <= now_ns);
        if filled > 0 {
            if std::mem::take(&mut direction.writer_waits) {
                let at_ns = state.arrival(by.other());
                state.stir(by.other(), at_ns, true);
            }
            return Ok(Some(filled));
        }
        match ending {
            Some((_, Ending::Finished)) => Ok(Some(0)),
            Some((_, Ending::Reset)) => Err(io::ErrorKind::ConnectionReset.into()),
            None => Ok(None),
        }
    }

    /// Whether little is under way; whoever is told no hears when that has changed.
    fn is_short(&self, towards: End) -> bool {
        let mut state = self.0.borrow_mut();
        let direction = state.towards(towards);
        let short = direction.waiting_bytes < WRITE_MAX_BYTES;
        direction.writer_waits |= !short;
        short
    }
}

impl LinkState {
    fn towards(&mut self, end: End) -> &mut Direction {
        match end {
            End::Engine => &mut self.to_engine,
            End::Carrier => &mut self.to_carrier,
        }
    }

    /// When something sent now arrives: never before what was sent earlier.
    fn arrival(&mut self, towards: End) -> u64 {
        let spread_ns = self.dice.below(self.jitter_ns + 1);
        let at_ns = clock::true_ns() + self.latency_ns + spread_ns;
        at_ns.max(self.towards(towards).last_arrival_ns)
    }

    fn stir(&mut self, end: End, at_ns: u64, writable: bool) {
        self.stirs.borrow_mut().push(Stir {
            at_ns,
            link: self.number,
            end,
            writable,
        });
    }
}

impl Direction {
    /// Loses what is under way from some byte on.
    fn lose_tail(&mut self, keep_per_mille: u64) {
        let flying: usize = self.flying.iter().map(|(_, octets)| octets.len()).sum();
        let keep = flying as u64 * keep_per_mille / 1_000;
        let mut keep = usize::try_from(keep).unwrap_or(flying);
        for (_, octets) in &mut self.flying {
            let some = octets.len().min(keep);
            octets.truncate(some);
            keep -= some;
        }
        self.flying.retain(|(_, octets)| !octets.is_empty());
        self.waiting_bytes = self.flying.iter().map(|(_, octets)| octets.len()).sum();
    }
}

impl End {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Engine => Self::Carrier,
            Self::Carrier => Self::Engine,
        }
    }
}

/// The engine's end, as its connector sees it. Dropping it closes the connection, as the kernel does for a process.
#[derive(Debug)]
pub(crate) struct SimWire(Link);

impl SimWire {
    pub(crate) const fn new(link: Link) -> Self {
        Self(link)
    }
}

impl Wire for SimWire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<ReadResult> {
        Ok(match self.0.read(End::Engine, buffer)? {
            None => ReadResult::Blocked,
            Some(0) => ReadResult::End,
            Some(octets) => ReadResult::Octets(octets),
        })
    }

    fn flush(&mut self, session: &mut Session) -> io::Result<Flushed> {
        while !session.transmit().is_empty() {
            let waiting = session.transmit();
            let chunk = &waiting[..waiting.len().min(WRITE_MAX_BYTES)];
            match self.0.write(End::Engine, chunk)? {
                0 => return Ok(Flushed::Blocked),
                octets => session.handle_transmitted(octets),
            }
        }
        Ok(Flushed::All)
    }

    fn is_empty(&self, session: &Session) -> bool {
        session.transmit().is_empty()
    }

    fn is_writable(&self) -> bool {
        self.0.is_short(End::Carrier)
    }

    fn say_goodbye(&mut self, session: &mut Session) {
        let _ = self.flush(session);
    }
}

impl Drop for SimWire {
    fn drop(&mut self) {
        self.0.finish(End::Engine);
    }
}
