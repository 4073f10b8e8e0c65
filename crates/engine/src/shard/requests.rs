//! What the outside asks for: submissions from the intake rings, urgent ones first; requests about single messages from the control ring.

use journal::Append as _;
use message::{Now, Reason, stable_hash};
use partition::{Answer, CancelVerdict, Event, ReplaceVerdict};

use super::deferred::Deferred;
use super::space::NewWork;
use super::{DECISION_ROOM_BYTES, INTAKE_PER_TURN, REQUESTS_PER_TURN, Shard, ShardFailure};
use crate::caller::{Admission, Refusal};
use crate::control::Control;
use crate::intake::IntakeItem;

impl Shard {
    pub(super) fn take_intake(&mut self, now: Now) -> Result<bool, ShardFailure> {
        if self.new_work == NewWork::MustWait {
            return Ok(self.refuse_intake());
        }
        if self.shared.intake.is_empty() || self.journal.room_bytes() < self.intake_room_bytes() {
            return Ok(false);
        }
        let mut arrivals = std::mem::take(&mut self.arrivals);
        let taken = self.shared.intake.drain(INTAKE_PER_TURN, &mut arrivals);
        self.shared.ring_space.notify_waiters();
        let mut coming = arrivals.drain(..);
        let admitted = coming.try_for_each(|item| self.admit(item, now));
        if admitted.is_err() {
            // Answered with the rest when the shard ends, which it does now.
            self.arrivals.extend(coming);
            return admitted.map(|()| false);
        }
        drop(coming);
        self.arrivals = arrivals;
        Ok(taken == INTAKE_PER_TURN)
    }

    /// Answers what came into the rings before its callers could know that there is no space.
    fn refuse_intake(&mut self) -> bool {
        let taken = self
            .shared
            .intake
            .drain(INTAKE_PER_TURN, &mut self.arrivals);
        for item in &self.arrivals {
            if let Some(gauge) = self.shared.groups.get(&item.admit.group) {
                gauge.entered(item.admit.lane);
            }
            self.shared.metrics.refused(Reason::JournalNoSpace);
        }
        self.shared
            .refuse_each(self.arrivals.drain(..), Reason::JournalNoSpace);
        if taken > 0 {
            self.shared.ring_space.notify_waiters();
        }
        taken == INTAKE_PER_TURN
    }

    fn admit(&mut self, item: IntakeItem, now: Now) -> Result<(), ShardFailure> {
        let IntakeItem {
            mut admit,
            reply,
            held,
            received_ns,
            key_generation,
        } = item;
        // Files have changed since it was looked up: what was in memory then may be in one of them now.
        if key_generation != self.keys.generation
            && let Some(key) = &mut admit.key
        {
            *key = self.shared.look_up_key(key.key, now).key;
        }
        let (lane, group, tenant) = (admit.lane, admit.group, admit.tenant);
        let digits = admit.submission.recipient.digits();
        let key = admit.submission.recipient_key.as_deref().unwrap_or(&digits);
        let at = self.partition_of_hash(stable_hash(&[&tenant.0.to_be_bytes(), key.as_bytes()]));
        let (answer, position) = match self.decide(at, Event::Admit(admit), now) {
            Ok(decided) => decided,
            Err(failure) => {
                reply.refuse(Refusal::of(Reason::JournalFailed));
                return Err(failure);
            }
        };
        let outcome = match answer {
            Answer::Admitted(id) => {
                self.shared.metrics.admitted[lane.index()].increment(1);
                if let Some(enqueue) = self.partitions[at].enqueue_admitted(id) {
                    let admission = Deferred::Admitted(Box::new(enqueue), received_ns);
                    self.deferred.push(position, admission);
                }
                Ok(Admission { id, repeat: false })
            }
            Answer::Repeat(id) => {
                self.shared.metrics.repeated.increment(1);
                Ok(Admission { id, repeat: true })
            }
            Answer::Refused { reason, existing } => {
                self.shared.metrics.refused(reason);
                Err(Refusal {
                    existing,
                    ..Refusal::of(reason)
                })
            }
            Answer::None
            | Answer::Cancel(_)
            | Answer::Replace(_)
            | Answer::Inbound(_)
            | Answer::Known(_) => {
                unreachable!("a submission is answered by admission, repeat or refusal")
            }
        };
        if !matches!(outcome, Ok(Admission { repeat: false, .. })) {
            self.shared.scopes(lane).release(held);
        }
        if let Some(gauge) = self.shared.groups.get(&group) {
            gauge.entered(lane);
        }
        self.deferred.push(
            position,
            Deferred::Reply(reply, Box::new(outcome), received_ns, lane),
        );
        Ok(())
    }

    pub(super) fn take_control(&mut self, now: Now) -> Result<bool, ShardFailure> {
        if self.journal.room_bytes() < DECISION_ROOM_BYTES {
            return Ok(false);
        }
        if !self.may_ask() {
            return Ok(false);
        }
        let mut requests = std::mem::take(&mut self.requests);
        let taken = self.shared.control.drain(REQUESTS_PER_TURN, &mut requests);
        if taken > 0 {
            self.shared.ring_space.notify_waiters();
        }
        for request in requests.drain(..) {
            if let Some(request) = self.ask_if_cold(request) {
                self.serve_request(request, now)?;
            }
        }
        self.requests = requests;
        Ok(taken == REQUESTS_PER_TURN)
    }

    /// Serves a request; a cold message is unknown here.
    pub(super) fn serve_request(&mut self, request: Control, now: Now) -> Result<(), ShardFailure> {
        match request {
            Control::Find { tenant, id, answer } => {
                let found = self.partition_of(id).and_then(|at| {
                    let view = self.partitions[at].find(id)?;
                    Some((view, self.partitions[at].due_ms(id)))
                });
                // Whoever asked may have gone; then nobody needs the answer.
                let _ = answer.send(found.filter(|(view, _)| view.tenant == tenant));
            }
            Control::Cancel { tenant, id, answer } => {
                let Some(at) = self.partition_of(id) else {
                    let _ = answer.send(CancelVerdict::Unknown);
                    return Ok(());
                };
                let (verdict, position) = self.decide(at, Event::Cancel { tenant, id }, now)?;
                if let Answer::Cancel(verdict) = verdict {
                    self.deferred
                        .push(position, Deferred::Cancel(answer, verdict));
                }
            }
            Control::Replace {
                tenant,
                id,
                replacement,
                answer,
            } => {
                let Some(at) = self.partition_of(id) else {
                    let _ = answer.send(ReplaceVerdict::Unknown);
                    return Ok(());
                };
                let event = Event::Replace {
                    tenant,
                    id,
                    replacement,
                };
                let (verdict, position) = self.decide(at, event, now)?;
                if let Answer::Replace(verdict) = verdict {
                    self.deferred
                        .push(position, Deferred::Replace(answer, verdict));
                }
            }
            Control::AcknowledgeInbound { id, answer } => {
                let Some(at) = self.partition_of(id) else {
                    let _ = answer.send(false);
                    return Ok(());
                };
                let event = Event::InboundDone {
                    id,
                    acknowledged: true,
                };
                let (known, position) = self.decide(at, event, now)?;
                let done = Deferred::InboundDone(answer, id, known == Answer::Known(true));
                self.deferred.push(position, done);
            }
            Control::Stats { answer } => {
                let _ = answer.send(self.stats());
            }
        }
        Ok(())
    }
}
