"""Shows that a message centre of this folder does what the tests rely on, without the engine: binds, submits messages that
ask for receipts, and checks that each gets a unique id and exactly one receipt for that id. Standard library only.

    python probe.py PORT [--messages N] [--window N] [--binds trx|tx+rx]
"""

import argparse
import re
import select
import socket
import struct
import sys
import time

HEADER = struct.Struct(">IIII")
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 1, 2, 9
SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 4, 5, 6, 0x15
RESPONSE = 0x80000000
TLV_RECEIPTED_MESSAGE_ID = 0x001E


def cstring(text):
    return text.encode("ascii") + b"\0"


class Session:
    """One bound connection; reads whole PDUs, writes whole PDUs."""

    def __init__(self, port, bind):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.sequence = 0
        body = cstring("probe") + cstring("secret") + cstring("") + bytes([0x34, 0, 0]) + cstring("")
        self.send(bind, body)
        pdus = []
        while not pdus:
            pdus = self.read()
        command, status, _, _ = pdus[0]
        if command != bind | RESPONSE or status != 0:
            sys.exit(f"bind {bind} was answered {command:#x} with status {status:#x}")

    def send(self, command, body=b"", sequence=None):
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        self.socket.sendall(HEADER.pack(HEADER.size + len(body), command, 0, sequence) + body)
        return sequence

    def read(self):
        octets = self.socket.recv(65536)
        if not octets:
            sys.exit("the message centre closed the session")
        self.buffer += octets
        pdus = []
        while len(self.buffer) >= HEADER.size:
            length, command, status, sequence = HEADER.unpack_from(self.buffer)
            if len(self.buffer) < length:
                break
            pdus.append((command, status, sequence, bytes(self.buffer[HEADER.size : length])))
            del self.buffer[:length]
        return pdus


def submit_body(number):
    text = f"probe message {number}".encode("ascii")
    return (
        cstring("")
        + bytes([5, 0])
        + cstring("Probe")
        + bytes([1, 1])
        + cstring(f"4915{number:08d}")
        + bytes([0, 0, 0])
        + cstring("")
        + cstring("")
        + bytes([1, 0, 0, 0, len(text)])
        + text
    )


def receipt(body):
    """The id in the text of a receipt, its stat, and the id in its TLV if there is one."""
    offset = body.index(b"\0") + 1
    for _ in range(2):
        offset = body.index(b"\0", offset + 2) + 1
    esm_class = body[offset]
    offset = body.index(b"\0", offset + 3) + 1
    offset = body.index(b"\0", offset) + 1
    length = body[offset + 4]
    text = body[offset + 5 : offset + 5 + length]
    offset += 5 + length
    tlv_id = None
    while offset + 4 <= len(body):
        tag, size = struct.unpack_from(">HH", body, offset)
        if tag == TLV_RECEIPTED_MESSAGE_ID:
            tlv_id = body[offset + 4 : offset + 4 + size].rstrip(b"\0").decode("ascii")
        offset += 4 + size
    if esm_class & 0x3C != 0x04:
        sys.exit(f"a deliver_sm that is no receipt: esm_class {esm_class:#x}")
    found = re.match(rb"id:(\S+) sub:\d{3} dlvrd:\d{3} submit date:\d{10} done date:\d{10} stat:(\S{7}) err:\S+ text:", text)
    if not found:
        sys.exit(f"not the receipt of Appendix B: {text!r}")
    return found[1].decode("ascii"), found[2].decode("ascii"), tlv_id


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--binds", choices=["trx", "tx+rx"], default="trx")
    parser.add_argument("--timeout-s", type=float, default=60)
    args = parser.parse_args()

    if args.binds == "trx":
        submitter = Session(args.port, BIND_TRANSCEIVER)
        sessions = [submitter]
    else:
        submitter = Session(args.port, BIND_TRANSMITTER)
        sessions = [submitter, Session(args.port, BIND_RECEIVER)]

    waiting, ids, receipts = set(), set(), {}
    submitted = 0
    deadline = time.monotonic() + args.timeout_s
    while len(receipts) < args.messages:
        while submitted < args.messages and len(waiting) < args.window:
            waiting.add(submitter.send(SUBMIT_SM, submit_body(submitted)))
            submitted += 1
        if time.monotonic() > deadline:
            sys.exit(f"{len(ids)} answers and {len(receipts)} receipts of {submitted} within {args.timeout_s} s")
        for ready in select.select([session.socket for session in sessions], [], [], 1)[0]:
            session = next(session for session in sessions if session.socket is ready)
            for command, status, sequence, body in session.read():
                if command == SUBMIT_SM | RESPONSE:
                    waiting.remove(sequence)
                    message_id = body.rstrip(b"\0").decode("ascii")
                    if status != 0 or not message_id or message_id in ids:
                        sys.exit(f"submit_sm {sequence} was answered with status {status:#x}, id {message_id!r}")
                    ids.add(message_id)
                elif command == DELIVER_SM:
                    message_id, stat, tlv_id = receipt(body)
                    if message_id in receipts or stat != "DELIVRD" or tlv_id not in (None, message_id):
                        sys.exit(f"receipt for {message_id!r}: stat {stat}, TLV {tlv_id!r}, seen {message_id in receipts}")
                    receipts[message_id] = stat
                    session.send(DELIVER_SM | RESPONSE, b"\0", sequence)
                elif command == ENQUIRE_LINK:
                    session.send(ENQUIRE_LINK | RESPONSE, b"", sequence)
                else:
                    sys.exit(f"unexpected PDU {command:#x}, status {status:#x}, sequence_number {sequence} on session {sessions.index(session)}")
    if set(receipts) != ids:
        sys.exit(f"{len(ids ^ set(receipts))} ids are answered or receipted, but not both")
    for session in sessions:
        session.send(UNBIND)
    print(f"probe: {submitted} submitted, {len(ids)} answered, {len(receipts)} receipts, nothing lost")


if __name__ == "__main__":
    main()
