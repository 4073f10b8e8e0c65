//! What falls due: the four timers and what each does.

use smpp_codec::{CommandId, CommandStatus};

use super::{Probe, ProbeVerdict, Session, header};
use crate::event::{CloseReason, Event, Handler};
use crate::late::Remembered;
use crate::timers::Timer;

impl Session {
    /// When [`Session::handle_timeout`] has something to do next, if ever. It moves with every call that takes `now_ns`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.timers.next_deadline_ns()
    }

    /// Fires every timer that is due. Calling it early does nothing.
    pub fn handle_timeout<H: Handler>(&mut self, now_ns: u64, handler: &mut H) {
        while let Some(timer) = self.timers.due(now_ns) {
            match timer {
                Timer::SessionInit => self.close_due(CloseReason::SessionInitExpired, handler),
                Timer::Inactivity => self.close_due(CloseReason::Inactive, handler),
                Timer::Response => self.on_response_timer(now_ns, handler),
                Timer::EnquireLink => self.on_enquire_link_timer(now_ns, handler),
            }
        }
    }

    /// Frees the slots of all requests that waited too long. Their number is not scanned: the list ends at the first
    /// one that has time left.
    fn on_response_timer<H: Handler>(&mut self, now_ns: u64, handler: &mut H) {
        if self
            .unbind
            .is_some_and(|unbind| unbind.deadline_ns <= now_ns)
        {
            return self.close_due(CloseReason::UnbindUnanswered, handler);
        }
        while let Some(request) = self.window.oldest() {
            if request
                .sent_at_ns
                .saturating_add(self.config.response_timeout_ns)
                > now_ns
            {
                break;
            }
            if self.transmit.is_unwritten(request.first_byte) {
                // Its bytes cannot be withdrawn without knowing what the driver has in hand; reported as timed out it
                // might still be written later. Closing keeps it what it is: unwritten.
                return self.close_due(CloseReason::TransmitStalled, handler);
            }
            self.window.settle(request.sequence_number);
            match self.late.remember(request) {
                Remembered::Kept => {}
                Remembered::OneForgotten => self.counters.late_forgotten += 1,
            }
            handler.on_event(Event::TimedOut {
                correlation: request.correlation,
                sequence_number: request.sequence_number,
                sent_at_ns: request.sent_at_ns,
            });
        }
        self.restart_response_timer();
    }

    /// Nothing arrived for the period: probe, or give up on a probe that nothing followed.
    fn on_enquire_link_timer<H: Handler>(&mut self, now_ns: u64, handler: &mut H) {
        if self
            .probe
            .is_some_and(|probe| probe.verdict == ProbeVerdict::Awaited)
        {
            return self.close_due(CloseReason::LinkSilent, handler);
        }
        if self.transmit.room_for_answer().is_err() {
            return self.close_due(CloseReason::TransmitStalled, handler);
        }
        let sequence_number = self.draw_number();
        self.transmit.push_header(&header(
            CommandId::EnquireLink,
            CommandStatus::Ok,
            sequence_number,
        ));
        self.counters.enquire_links_sent += 1;
        self.probe = Some(Probe {
            sequence_number,
            verdict: ProbeVerdict::Awaited,
        });
        let deadline_ns = now_ns.saturating_add(self.config.enquire_link_response_ns);
        self.timers.start(Timer::EnquireLink, deadline_ns);
    }

    fn close_due<H: Handler>(&mut self, reason: CloseReason, handler: &mut H) {
        self.end();
        handler.on_event(Event::CloseDue { reason });
    }
}
