//! Answers to submits that are planned and not given yet, in order or shuffled.

use std::collections::VecDeque;

use smpp_codec::CommandStatus;

use super::dice::Dice;
use super::receipts::ReceiptKey;

/// Answers open on one connection; submits beyond are refused at once.
pub(crate) const OPEN_ANSWERS_MAX: usize = 65_536;
/// A group for shuffling that does not fill is answered after this.
const SHUFFLE_HOLD_NS: u64 = 20_000_000;

/// Whether the peer hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audible {
    /// It is sent.
    Yes,
    /// The script withholds it.
    Withheld,
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannedAnswer {
    pub(crate) sequence_number: u32,
    pub(crate) status: CommandStatus,
    /// Our id of the message, when taken.
    pub(crate) message: Option<u64>,
    /// Its delay begins when this answer is given.
    pub(crate) receipt: Option<ReceiptKey>,
    pub(crate) audible: Audible,
}

/// The answers of one connection.
#[derive(Debug)]
pub(crate) struct AnswerQueue {
    waiting: VecDeque<(u64, PlannedAnswer)>,
    last_due_ns: u64,
    group: Vec<PlannedAnswer>,
    group_until_ns: u64,
    group_size: usize,
}

impl AnswerQueue {
    /// Shuffles in groups of `group_size`; 0 and 1 keep the order.
    pub(crate) fn new(group_size: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            last_due_ns: 0,
            group: Vec::new(),
            group_until_ns: 0,
            group_size: group_size.min(OPEN_ANSWERS_MAX),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() + self.group.len() >= OPEN_ANSWERS_MAX
    }

    /// Plans an answer for `due_ns`, but not before one planned earlier.
    pub(crate) fn plan(&mut self, due_ns: u64, answer: PlannedAnswer) {
        self.last_due_ns = self.last_due_ns.max(due_ns);
        self.waiting.push_back((self.last_due_ns, answer));
    }

    /// Appends to `ready` what is to be given now.
    pub(crate) fn take_ready(
        &mut self,
        now_ns: u64,
        dice: &mut Dice,
        ready: &mut Vec<PlannedAnswer>,
    ) {
        while let Some(&(due_ns, answer)) = self.waiting.front() {
            if due_ns > now_ns {
                break;
            }
            self.waiting.pop_front();
            if self.group_size < 2 {
                ready.push(answer);
                continue;
            }
            if self.group.is_empty() {
                self.group_until_ns = now_ns.saturating_add(SHUFFLE_HOLD_NS);
            }
            self.group.push(answer);
            if self.group.len() >= self.group_size {
                dice.shuffle(&mut self.group);
                ready.append(&mut self.group);
            }
        }
        if !self.group.is_empty() && self.group_until_ns <= now_ns {
            dice.shuffle(&mut self.group);
            ready.append(&mut self.group);
        }
    }

    /// When [`AnswerQueue::take_ready`] has something next.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        let waiting = self.waiting.front().map(|(due_ns, _)| *due_ns);
        let group = (!self.group.is_empty()).then_some(self.group_until_ns);
        waiting.into_iter().chain(group).min()
    }

    /// Everything left, as the connection is gone.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = PlannedAnswer> + '_ {
        let waiting = self.waiting.drain(..).map(|(_, answer)| answer);
        waiting.chain(self.group.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(sequence_number: u32) -> PlannedAnswer {
        PlannedAnswer {
            sequence_number,
            status: CommandStatus::Ok,
            message: None,
            receipt: None,
            audible: Audible::Yes,
        }
    }

    fn ready(queue: &mut AnswerQueue, now_ns: u64) -> Vec<u32> {
        let mut ready = Vec::new();
        queue.take_ready(now_ns, &mut Dice::new(1), &mut ready);
        ready.iter().map(|a| a.sequence_number).collect()
    }

    #[test]
    fn answers_stay_in_order_whatever_their_jitter() {
        let mut queue = AnswerQueue::new(0);
        queue.plan(30, answer(1));
        queue.plan(10, answer(2));
        queue.plan(40, answer(3));
        assert_eq!(ready(&mut queue, 29), []);
        assert_eq!(ready(&mut queue, 30), [1, 2]);
        assert_eq!(queue.next_due_ns(), Some(40));
        assert_eq!(queue.drain().count(), 1);
    }

    #[test]
    fn a_group_is_shuffled_and_a_partial_one_is_not_held_for_ever() {
        let mut queue = AnswerQueue::new(16);
        (0..20).for_each(|n| queue.plan(0, answer(n)));
        let mut first = ready(&mut queue, 5);
        assert_eq!(first.len(), 16);
        assert!(!first.is_sorted());
        first.sort_unstable();
        assert!(first.into_iter().eq(0..16));
        assert_eq!(queue.next_due_ns(), Some(5 + SHUFFLE_HOLD_NS));
        assert_eq!(ready(&mut queue, 5 + SHUFFLE_HOLD_NS).len(), 4);
        assert_eq!(queue.next_due_ns(), None);
    }
}
