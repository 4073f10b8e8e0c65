"""Submits one SMS to Hikyaku and prints every state it goes through, until the last.

    python submit_and_watch.py --target 127.0.0.1:7070 --to +4915112345678 --text "Your code is 4711"

The key is read from the environment variable HIKYAKU_API_KEY, or from wherever --api-key-env or --api-key-file say. The stubs
are generated on the fly from the .proto files of this repository; README.md beside this file says what to install.

Ends with 0 when the message was delivered (or sent, if no receipt is wanted), 1 when it ended otherwise or is still on its
way, 2 when it was refused or could not be handed over.
"""

import argparse
import importlib
import ipaddress
import os
import pathlib
import sys
import tempfile
import uuid

import grpc
import grpc_tools
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def main():
    args = arguments()
    dispatch, calls, submission, event = stubs()
    metadata = [("authorization", f"Bearer {api_key(args)}")]
    with channel(args) as connection:
        engine = calls.DispatchStub(connection)
        try:
            sys.exit(run(args, engine, metadata, (dispatch, submission, event)))
        except grpc.RpcError as error:
            fail(f"{error.code().name}: {error.details()}")


def run(args, engine, metadata, messages):
    dispatch, submission, event = messages
    # The watch comes first, on a batch of this one message, so that not even the earliest event is missed. Who watches by
    # message id instead (WatchRequest.message_ids) starts after the submission, and asks Get for what happened before.
    # The batch follows from the idempotency key, since a repeat has to be the same submission to the letter.
    key = args.idempotency_key or str(uuid.uuid4())
    batch_id = str(uuid.uuid5(uuid.NAMESPACE_OID, key))
    watch = engine.Watch(dispatch.WatchRequest(batch_id=batch_id), metadata=metadata, timeout=args.timeout_s)
    next(watch)  # The first response is empty and says that the watch is in place.

    message = submission.Submission(
        recipient=submission.Recipient(msisdn=args.to),
        content=submission.Content(sms=submission.SmsContent(text=args.text, sender=args.sender)),
        category=submission.Category.Value(f"CATEGORY_{args.category.upper()}"),
        # With the same key, a repeat of this call after a lost answer makes no second message.
        idempotency_key=key,
        batch_id=batch_id,
    )
    admitted = engine.Submit(dispatch.SubmitRequest(submission=message), metadata=metadata, timeout=args.timeout_s)
    print(f"admitted as {admitted.message_id}{' (a repeat of an earlier call)' if admitted.repeat else ''}", flush=True)

    if admitted.repeat:
        # What happened before this watch is not told again: ask where the message is now.
        view = engine.Get(dispatch.GetRequest(message_id=admitted.message_id), metadata=metadata, timeout=args.timeout_s)
        verdict = show(event, view.message)
        if verdict is not None:
            watch.cancel()
            return verdict

    try:
        for response in watch:
            for step in response.events:
                if step.message_id == admitted.message_id:
                    verdict = show(event, step)
                    if verdict is not None:
                        watch.cancel()
                        return verdict
    except grpc.RpcError as error:
        print(f"the watch ended: {error.code().name}: {error.details()}", file=sys.stderr)
    # The watch was cut, which says nothing about the message: ask for it.
    view = engine.Get(dispatch.GetRequest(message_id=admitted.message_id), metadata=metadata, timeout=args.timeout_s)
    verdict = show(event, view.message)
    return 1 if verdict is None else verdict


def show(event, step):
    """Prints an event or a view; None while the message is on its way, else the exit code."""
    state = event.MessageState.Name(step.state).removeprefix("MESSAGE_STATE_").lower()
    words = [f"{step.sequence:>3}  {state:<13}"]
    if step.reason:
        words.append(reason_name(event, step.reason))
    if step.carrier:
        words.append(f"carrier {step.carrier}, attempt {step.attempt}")
    if step.uncertain:
        words.append("uncertain: a copy is possible")
    if step.late:
        words.append("late")
    print("  ".join(words), flush=True)
    if step.state < event.MESSAGE_STATE_DELIVERED:
        return None
    return 0 if step.state in (event.MESSAGE_STATE_DELIVERED, event.MESSAGE_STATE_SENT) else 1


def reason_name(event, number):
    reason = event.Event.DESCRIPTOR.fields_by_name["reason"].enum_type.values_by_number.get(number)
    # A newer engine may know reasons that these stubs do not.
    return reason.name.removeprefix("REASON_").lower() if reason else f"reason {number}"


def stubs():
    """Generates the Python modules of the contract into a temporary folder and imports them."""
    with tempfile.TemporaryDirectory() as folder:
        well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        files = [str(path) for path in sorted(PROTO.rglob("*.proto"))]
        options = [f"-I{PROTO}", f"-I{well_known}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
        if not files or protoc.main(["protoc", *options, *files]) != 0:
            fail(f"no stubs could be generated from {PROTO}")
        sys.path.insert(0, folder)
        try:
            names = ["dispatch_pb2", "dispatch_pb2_grpc", "submission_pb2", "event_pb2"]
            return [importlib.import_module(f"hikyaku.v1.{name}") for name in names]
        finally:
            sys.path.remove(folder)


def channel(args):
    if args.ca:
        trusted = pathlib.Path(args.ca).read_bytes()
        return grpc.secure_channel(args.target, grpc.ssl_channel_credentials(root_certificates=trusted))
    host = args.target.rpartition(":")[0].strip("[]")
    if not is_loopback(host):
        fail(f"--target {args.target} is not on this machine: give --ca, a key must not travel in the clear")
    return grpc.insecure_channel(args.target)


def is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def api_key(args):
    if args.api_key_file:
        return pathlib.Path(args.api_key_file).read_text(encoding="ascii").strip()
    key = os.environ.get(args.api_key_env)
    if not key:
        fail(f"no API key: set {args.api_key_env}, or give --api-key-env or --api-key-file")
    return key


def fail(problem):
    print(problem, file=sys.stderr)
    sys.exit(2)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="127.0.0.1:7070", metavar="HOST:PORT", help="the engine (default: %(default)s)")
    parser.add_argument("--to", required=True, metavar="MSISDN", help="the recipient's number, E.164")
    parser.add_argument("--text", required=True, help="what to say; one segment")
    parser.add_argument("--sender", default="Hikyaku", help="who the message says it is from (default: %(default)s)")
    parser.add_argument(
        "--category", default="otp", choices=["otp", "alert", "transactional", "promotional"], help="default: %(default)s"
    )
    parser.add_argument("--idempotency-key", metavar="KEY", help="makes a repeat harmless (default: a new one)")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--api-key-env", default="HIKYAKU_API_KEY", metavar="NAME", help="variable that holds the key (default: %(default)s)"
    )
    keys.add_argument("--api-key-file", metavar="FILE", help="file that holds the key")
    parser.add_argument("--ca", metavar="FILE", help="PEM file of the authority to trust; TLS is used when given")
    parser.add_argument("--timeout-s", type=float, default=60, help="for each call, the watch too (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
