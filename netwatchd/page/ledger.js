// The loss ledger: what each source has handed in and lost, and what became of all of it. The daemon reckons.

import { element, reconcile, setText } from "./dom.js";
import { count } from "./format.js";
import { sumOf } from "./live.js";

const KINDS = { devices: "Devices", flows: "Flows", threats: "Threats" };
const ONE = { devices: "device", flows: "flow", threats: "threat", observations: "observation" };
// What only asks others hands in nothing of its own.
const ASKERS = new Set(["prober", "asker"]);

/** By source: a row for each that is on, failed, or has told something. */
export class SourceLedger {
  constructor() {
    this.rows = element("tbody");
    this.node = table("What each source has handed in", ["Source", "Received", "Merged", "Dropped", "Lost"], this.rows);
  }

  tell(ledger) {
    const sources = ledger.sources.filter((source) => !ASKERS.has(source.name) || source.received || sumOf(source.dropped));
    reconcile(this.rows, sources, (source) => source.name, (source) => row(source.name, 4), (node, source) => {
      const came = listed({
        devices: source.devices, flows: source.flows, threats: source.threats, observations: source.observations,
      });
      const notes = [came, named("dropped", source.dropped), named("lost", source.lost),
        named("of no use here", source.passed)].filter(Boolean).join("; ");
      fill(node, notes || "nothing yet", [
        ["Received", source.received], ["Merged", source.merged],
        ["Dropped", sumOf(source.dropped), true], ["Lost", sumOf(source.lost), true],
      ]);
    });
  }
}

/** By kind, of all sources together, and what was sent. */
export class KindLedger {
  constructor() {
    this.rows = element("tbody");
    this.sent = element("p", { class: "muted small" });
    this.dropped = element("p", { class: "muted small", hidden: true });
    this.node = [
      table("What became of what came", ["Kind", "Received", "Stored", "Dropped", "Waiting"], this.rows),
      element("div", { class: "notes" }, this.sent, this.dropped),
    ];
  }

  tell(ledger) {
    reconcile(this.rows, ledger.kinds, (book) => book.kind, (book) => row(KINDS[book.kind], 4), (node, book) => {
      const merged = book.kind === "flows" ? "told again before they were written" : "taken into what is known";
      const notes = [book.merged && `${count(book.merged)} ${merged}`,
        book.recalled && `${count(book.recalled)} of the last run`,
        book.ignored && `${count(book.ignored)} ignored`, named("dropped", book.dropped)];
      fill(node, notes.filter(Boolean).join("; "), [
        ["Received", book.received], ["Stored", book.stored],
        ["Dropped", sumOf(book.dropped), true], ["Waiting", book.waiting],
      ]);
    });
    const { messages, alerts, answers } = ledger.sent;
    setText(this.sent, `Sent: messages to clients ${count(messages)}, alerts ${count(alerts)}, answers ${count(answers)}.`);
    const dropped = Object.entries(ledger.dropped).filter(([what]) => !KINDS[what.split(" ")[0]]);
    this.dropped.hidden = !dropped.length;
    setText(this.dropped, `Dropped besides: ${dropped.map(([what, number]) => `${what} ${count(number)}`).join(", ")}.`);
  }
}

function table(caption, columns, body) {
  return element("div", { class: "list-scroll" }, element("table", { class: "list" },
    element("caption", { class: "visually-hidden", text: caption }),
    element("thead", {}, element("tr", {}, columns.map((text, at) =>
      element("th", { scope: "col", class: at ? "numbers" : null, text })))),
    body));
}

function row(name, numbers) {
  return element("tr", {},
    element("th", { scope: "row" }, element("span", { text: name }), element("p", { class: "muted small" })),
    Array.from({ length: numbers }, () => element("td", { class: "numbers" })));
}

function fill(node, notes, numbers) {
  setText(node.querySelector("p"), notes);
  numbers.forEach(([label, number, isLoss], at) => {
    const cell = node.children[at + 1];
    cell.dataset.label = label;
    setText(cell, count(number));
    cell.classList.toggle("bad", Boolean(isLoss && number));
  });
}

function named(word, counts) {
  return sumOf(counts) ? `${word}: ${listed(counts)}` : "";
}

function listed(counts) {
  return Object.entries(counts).filter(([, number]) => number)
    .map(([name, number]) => `${count(number)} ${number === 1 && ONE[name] ? ONE[name] : name.replaceAll("_", " ")}`)
    .join(", ");
}
