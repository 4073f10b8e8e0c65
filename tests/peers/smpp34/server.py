"""A message centre on the PyPI package `smpp34`: takes every bind, answers submit_sm with a unique id, sends a delivery
receipt for each message that asks for one, counts unique messages and copies, and prints the counts as one JSON line on
SIGTERM.

    python server.py PORT [--no-tlvs] [--receipt-delay-ms N]

PORT 0 takes any free port; `listening PORT` on standard output says which.
"""

import argparse
import asyncio
import collections
import json
import os
import signal
import socket
import sys
import time

import smpp34

# The package answers ESME_RMSGQFUL while this many submits wait for the Python side, so it must be well above all windows.
INBOUND_CAPACITY = 65_536
# Receipts awaiting their answer, over all sessions.
RECEIPT_WINDOW = 64
RECEIPT_RETRY_S = 0.2
DELIVERED = 2


class MessageCentre:
    def __init__(self, tlvs, receipt_delay_ms):
        self.tlvs = tlvs
        self.receipt_delay_s = receipt_delay_ms / 1000
        self.copies_of = collections.Counter()
        self.sessions = {}
        self.receipts = asyncio.Queue()
        self.receiver_bound = asyncio.Event()
        self.turn = 0
        self.last_id = 0
        self.in_flight = 0
        self.counts = {
            "peer": "smpp34",
            "version": smpp34.__version__,
            "binds": {"receiving": 0, "transmitter": 0},
            "submits": 0,
            "unique_messages": 0,
            "copies": 0,
            "receipts_wanted": 0,
            "receipts_sent": 0,
            "receipts_acknowledged": 0,
            "receipts_refused": 0,
            "receipts_waiting": 0,
            "session_errors": 0,
        }

    async def serve(self, server):
        while True:
            event = await server.next()
            if isinstance(event, smpp34.Esme):
                self.bound(event)
            elif isinstance(event, smpp34.SubmitSmEvent):
                self.submitted(event)
            elif isinstance(event, smpp34.Unbound):
                self.sessions.pop(event.session_id, None)

    def bound(self, esme):
        self.sessions[esme.session_id] = esme
        self.counts["binds"]["receiving" if esme.can_receive else "transmitter"] += 1
        if esme.can_receive:
            self.receiver_bound.set()

    def submitted(self, event):
        counts = self.counts
        counts["submits"] += 1
        text = event.short_message or next(
            (tlv.value for tlv in event.tlvs if tlv.tag == smpp34.TLV_MESSAGE_PAYLOAD), b""
        )
        message = (event.destination_addr, text)
        self.copies_of[message] += 1
        counts["unique_messages" if self.copies_of[message] == 1 else "copies"] += 1
        self.last_id += 1
        message_id = f"{self.last_id:010d}"
        event.accept(message_id=message_id)
        if event.registered_delivery & 0x03 == 1:
            counts["receipts_wanted"] += 1
            esme = self.sessions.get(event.session_id)
            receipt = (esme.system_id if esme else None, self.receipt_for(event, message_id, text))
            if self.receipt_delay_s:
                loop = asyncio.get_running_loop()
                loop.call_later(self.receipt_delay_s, self.receipts.put_nowait, receipt)
            else:
                self.receipts.put_nowait(receipt)

    def receipt_for(self, event, message_id, text):
        """SMPP 3.4, Appendix B."""
        now = time.strftime("%y%m%d%H%M", time.gmtime())
        words = (
            f"id:{message_id} sub:001 dlvrd:001 submit date:{now} done date:{now} stat:DELIVRD err:000 text:"
        ).encode("ascii") + bytes(octet for octet in text[:20] if 32 <= octet < 127)
        tlvs = []
        if self.tlvs:
            tlvs = [
                smpp34.Tlv(smpp34.TLV_RECEIPTED_MESSAGE_ID, message_id.encode("ascii") + b"\0"),
                smpp34.Tlv(smpp34.TLV_MESSAGE_STATE, bytes([DELIVERED])),
            ]
        return {
            "destination_addr": event.source_addr,
            "dest_addr_ton": event.source_addr_ton,
            "dest_addr_npi": event.source_addr_npi,
            "source_addr": event.destination_addr,
            "source_addr_ton": event.dest_addr_ton,
            "source_addr_npi": event.dest_addr_npi,
            "esm_class": 0x04,
            "short_message": words,
            "tlvs": tlvs,
        }

    async def bring_receipts(self):
        while True:
            system_id, receipt = await self.receipts.get()
            self.in_flight += 1
            try:
                while not await self.bring(system_id, receipt):
                    await asyncio.sleep(RECEIPT_RETRY_S)
            finally:
                self.in_flight -= 1

    async def bring(self, system_id, receipt):
        """One try over one receiving session of the account; false asks for another."""
        esme = await self.receiver_of(system_id)
        self.counts["receipts_sent"] += 1
        try:
            answer = await esme.deliver_sm(**receipt)
        except Exception:  # The package's errors have no common class beyond this one: the session ended or timed out.
            self.counts["session_errors"] += 1
            return False
        self.counts["receipts_acknowledged" if answer.is_success else "receipts_refused"] += 1
        return answer.is_success

    async def receiver_of(self, system_id):
        while True:
            receivers = [
                esme
                for esme in self.sessions.values()
                if esme.can_receive and (system_id is None or esme.system_id == system_id)
            ]
            if receivers:
                self.turn += 1
                return receivers[self.turn % len(receivers)]
            self.receiver_bound.clear()
            await self.receiver_bound.wait()

    def report(self):
        self.counts["receipts_waiting"] = self.receipts.qsize() + self.in_flight
        return json.dumps(self.counts)


def free_port():
    """The package cannot say which port it was given, so an idle one is found beforehand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def main():
    parser = argparse.ArgumentParser(description="A message centre on the PyPI package smpp34.")
    parser.add_argument("port", type=int, help="port on 127.0.0.1; 0 takes any free one")
    parser.add_argument("--no-tlvs", action="store_true", help="send receipts as text only")
    parser.add_argument("--receipt-delay-ms", type=int, default=0)
    args = parser.parse_args()

    port = args.port or free_port()
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="smpp34", inbound_capacity=INBOUND_CAPACITY)
    await server.start()
    print(f"listening {port}", flush=True)

    centre = MessageCentre(not args.no_tlvs, args.receipt_delay_ms)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(centre.serve(server))]
    tasks += [asyncio.create_task(centre.bring_receipts()) for _ in range(RECEIPT_WINDOW)]
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    failed = next((task.exception() for task in done if task is not stopped and task.exception()), None)
    print(centre.report(), flush=True)
    if failed:
        print(f"message centre failed: {failed!r}", file=sys.stderr, flush=True)
    # Leaves without waiting for the package's own threads, which outlive the event loop.
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    asyncio.run(main())
