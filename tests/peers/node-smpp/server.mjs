// A message centre on the npm package `smpp`: takes every bind, answers submit_sm with a unique id, sends a delivery receipt for
// each message that asks for one, counts unique messages and copies, and prints the counts as one JSON line on SIGTERM.
//
//   node server.mjs PORT [--no-tlvs] [--receipt-delay-ms N]
//
// PORT 0 takes any free port; `listening PORT` on standard output says which. The package is looked for in the folder named by
// NODE_PEER_MODULES (a node_modules folder), so that nothing is installed beside this file.

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const modules = process.env.NODE_PEER_MODULES;
const require = createRequire(modules ? path.join(path.resolve(modules), "peer.js") : import.meta.url);
const smpp = require("smpp");
const version = require("smpp/package.json").version;

const options = parse(process.argv.slice(2));

// Receipts awaiting their answer on one session. The package sends without limit, so the bound is ours.
const RECEIPT_WINDOW = 100;
const RECEIPT_RETRY_MS = 200;
const DELIVERED = 2;

const counts = {
  peer: "node-smpp",
  version,
  binds: { transceiver: 0, transmitter: 0, receiver: 0 },
  submits: 0,
  unique_messages: 0,
  copies: 0,
  receipts_wanted: 0,
  receipts_sent: 0,
  receipts_acknowledged: 0,
  receipts_refused: 0,
  receipts_waiting: 0,
  session_errors: 0,
};
const copiesOf = new Map();
const accounts = new Map(); // system_id -> { receivers: [Receiver], waiting: [receipt] }
let lastId = 0;

class Receiver {
  constructor(session, account) {
    this.session = session;
    this.account = account;
    this.inFlight = new Map();
    this.nextKey = 0;
  }

  hasRoom() {
    return this.inFlight.size < RECEIPT_WINDOW;
  }

  send(receipt) {
    const key = this.nextKey++;
    this.inFlight.set(key, receipt);
    counts.receipts_sent += 1;
    const taken = this.session.deliver_sm(receipt.pdu, (answer) => {
      this.inFlight.delete(key);
      if (answer.command_status === 0) {
        counts.receipts_acknowledged += 1;
        pump(this.account);
      } else {
        counts.receipts_refused += 1;
        setTimeout(() => enqueue(this.account, receipt), RECEIPT_RETRY_MS);
      }
    });
    if (!taken) {
      this.close();
    }
  }

  // A session that is gone took its unanswered receipts along: another one must bring them again.
  close() {
    const index = this.account.receivers.indexOf(this);
    if (index >= 0) {
      this.account.receivers.splice(index, 1);
    }
    const unanswered = [...this.inFlight.values()];
    this.inFlight.clear();
    this.account.waiting.unshift(...unanswered);
    pump(this.account);
  }
}

const server = smpp.createServer((session) => {
  let account = null;
  let receiver = null;
  session.on("error", () => {
    counts.session_errors += 1;
    session.destroy();
  });
  session.on("close", () => receiver?.close());
  session.on("pdu", (pdu) => {
    switch (pdu.command) {
      case "bind_transceiver":
      case "bind_receiver":
      case "bind_transmitter":
        if (account) {
          session.send(pdu.response({ command_status: smpp.ESME_RALYBND }));
          return;
        }
        counts.binds[pdu.command.slice("bind_".length)] += 1;
        account = accountOf(pdu.system_id);
        session.send(pdu.response({ system_id: "node-smpp", sc_interface_version: 0x34 }));
        if (pdu.command !== "bind_transmitter") {
          receiver = new Receiver(session, account);
          account.receivers.push(receiver);
          pump(account);
        }
        return;
      case "submit_sm":
        if (!account) {
          session.send(pdu.response({ command_status: smpp.ESME_RINVBNDSTS }));
          return;
        }
        submit(session, account, pdu);
        return;
      case "enquire_link":
        session.send(pdu.response());
        return;
      case "unbind":
        session.send(pdu.response());
        session.close();
        return;
      default:
        if (!pdu.isResponse()) {
          session.send(pdu.response({ command_status: smpp.ESME_RINVCMDID }));
        }
    }
  });
});

server.listen(options.port, "127.0.0.1", () => console.log(`listening ${server.address().port}`));

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    const accountsNow = [...accounts.values()];
    const unanswered = accountsNow.flatMap((account) => account.receivers.map((receiver) => receiver.inFlight.size));
    const waiting = accountsNow.map((account) => account.waiting.length);
    counts.receipts_waiting = [...unanswered, ...waiting].reduce((sum, count) => sum + count, 0);
    process.stdout.write(`${JSON.stringify(counts)}\n`, () => process.exit(0));
  });
}

function submit(session, account, pdu) {
  counts.submits += 1;
  const text = pdu.short_message?.message ?? pdu.message_payload?.message ?? "";
  const message = `${pdu.destination_addr}\0${text}`;
  const copies = (copiesOf.get(message) ?? 0) + 1;
  copiesOf.set(message, copies);
  if (copies === 1) {
    counts.unique_messages += 1;
  } else {
    counts.copies += 1;
  }
  lastId += 1;
  const id = `n${lastId.toString(16).padStart(9, "0")}`;
  session.send(pdu.response({ message_id: id }));
  if ((pdu.registered_delivery & 0x03) === 1) {
    counts.receipts_wanted += 1;
    const receipt = { pdu: receiptFor(pdu, id, text, new Date()) };
    if (options.receiptDelayMs > 0) {
      setTimeout(() => enqueue(account, receipt), options.receiptDelayMs);
    } else {
      enqueue(account, receipt);
    }
  }
}

// SMPP 3.4, Appendix B.
function receiptFor(submitted, id, text, submittedAt) {
  const words = [
    `id:${id}`,
    "sub:001",
    "dlvrd:001",
    `submit date:${minutes(submittedAt)}`,
    `done date:${minutes(new Date())}`,
    "stat:DELIVRD",
    "err:000",
    `text:${String(text).slice(0, 20)}`,
  ];
  const tlvs = options.tlvs ? { receipted_message_id: id, message_state: DELIVERED } : {};
  return {
    esm_class: 0x04,
    source_addr_ton: submitted.dest_addr_ton,
    source_addr_npi: submitted.dest_addr_npi,
    source_addr: submitted.destination_addr,
    dest_addr_ton: submitted.source_addr_ton,
    dest_addr_npi: submitted.source_addr_npi,
    destination_addr: submitted.source_addr,
    data_coding: 0,
    short_message: words.join(" "),
    ...tlvs,
  };
}

function minutes(date) {
  const parts = [date.getUTCFullYear() % 100, date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes()];
  return parts.map((part) => String(part).padStart(2, "0")).join("");
}

function accountOf(systemId) {
  if (!accounts.has(systemId)) {
    accounts.set(systemId, { receivers: [], waiting: [] });
  }
  return accounts.get(systemId);
}

function enqueue(account, receipt) {
  account.waiting.push(receipt);
  pump(account);
}

function pump(account) {
  while (account.waiting.length > 0) {
    const receiver = account.receivers.find((candidate) => candidate.hasRoom());
    if (!receiver) {
      return;
    }
    receiver.send(account.waiting.shift());
  }
}

function parse(args) {
  const parsed = { port: Number(args[0]), tlvs: true, receiptDelayMs: 0 };
  for (let index = 1; index < args.length; index += 1) {
    if (args[index] === "--no-tlvs") {
      parsed.tlvs = false;
    } else if (args[index] === "--receipt-delay-ms") {
      parsed.receiptDelayMs = Number(args[++index]);
    } else {
      usage(`unknown option ${args[index]}`);
    }
  }
  if (args.length === 0 || !Number.isInteger(parsed.port) || !(parsed.receiptDelayMs >= 0)) {
    usage("PORT must be a number, 0 for any free port");
  }
  return parsed;
}

function usage(problem) {
  console.error(`${problem}\nusage: node server.mjs PORT [--no-tlvs] [--receipt-delay-ms N]`);
  process.exit(2);
}
