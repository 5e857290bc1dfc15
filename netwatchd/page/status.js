// How netwatchd itself is: what came in, what was kept, and every record that it knows it has lost.

import { askStatus } from "./api.js";
import { element, reconcile, setText } from "./dom.js";
import { ago, count, size, span, time } from "./format.js";
import { KindLedger, SourceLedger } from "./ledger.js";
import { sumOf } from "./live.js";
import { troublesOf } from "./troubles.js";

const SORT = { failed: 0, on: 1, off: 2 };

export class Status {
  constructor({ connection, store }) {
    Object.assign(this, { connection, store, title: "Status", asked: null });
    this.verdict = element("p", { class: "answer" });
    this.facts = element("dl", { class: "facts" });
    this.room = element("p");
    this.disk = element("dl", { class: "facts" });
    this.bySource = new SourceLedger();
    this.byKind = new KindLedger();
    this.sources = element("ul", { class: "rows" });
    this.others = element("ul", { class: "rows" });
    this.problem = element("p", { class: "problem", role: "alert", hidden: true });
    const others = card("Exporters, lists, alerts", "status-others", this.others, { flush: true });
    this.othersCard = others;
    this.node = element("div", { class: "status" }, this.problem, element("div", { class: "cards" },
      card("Is netwatchd well?", "status-well", [this.verdict, this.facts]),
      card("The disk", "status-disk", [this.room, this.disk]),
      card("What came, by source", "status-ledger", this.bySource.node, { flush: true }),
      card("What became of it", "status-kinds", this.byKind.node, { flush: true }),
      card("Sources", "status-sources", this.sources, { flush: true }),
      others));
  }

  show() {
    this.isShown = true;
    this.look();
  }

  hide() {
    this.isShown = false;
    this.asked?.abort();
  }

  update(changed) {
    if (changed.has("stats")) this.look();
  }

  async look() {
    if (this.isAsking) return;
    const asked = (this.asked = new AbortController());
    this.isAsking = true;
    try {
      this.tell(await askStatus(asked.signal));
      this.problem.hidden = true;
    } catch (error) {
      if (asked.signal.aborted) return;
      this.problem.hidden = false;
      setText(this.problem, `The status could not be asked: ${error.message}.`);
    } finally {
      this.isAsking = false;
    }
  }

  tell(status) {
    const { budget, database } = status;
    const wrong = troublesOf(status, status).map((trouble) => trouble.text).join(" ");
    setText(this.verdict, wrong || "All is well, and nothing was lost.");
    fill(this.facts, [
      ["Version", status.version],
      ["Runs since", `${span(status.uptime * 1000)}, ${time(status.since)}`],
      ["Devices", `${count(status.online)} of ${count(status.devices)} here`],
      ["Live flows", count(status.live_flows)],
      ["Who looks", count(status.clients)],
      ["Wait to be taken in", count(sumOf(status.waiting))],
      ["This browser", this.connection.state === "live" ? "live" : `last word ${ago(this.connection.heard)}`],
      ["Updates it missed", count(this.store.missed)],
      status.learning_until && ["Learns what is usual until", time(status.learning_until)],
    ]);
    setText(this.room, `${budget.text.charAt(0).toUpperCase()}${budget.text.slice(1)}.`);
    fill(this.disk, [
      ["State", database.state === "ok" ? "ok" : `${database.state}: ${database.reason ?? "it cannot be written"}`],
      ["Size", `${size(budget.size)} of ${size(budget.max_size)}`],
      ["Grows", budget.growth === null ? "not known yet" : `about ${size(budget.growth)} a day`],
      ["Free on the disk", budget.free === null ? "not known" : size(budget.free)],
      ["Written today", writtenText(budget)],
      ["Written since the start", budget.written === null ? "not counted by this system" : size(budget.written)],
      ["Days of flows", `${count(database.days)}${database.oldest_day ? `, since ${dayOf(database.oldest_day)}` : ""}`],
      ["Commits", count(database.commits)],
      ["Wait to be written", count(database.pending)],
      database.last_error && ["Last error", database.last_error],
      ["Directory", database.directory],
    ]);
    this.bySource.tell(status.ledger);
    this.byKind.tell(status.ledger);
    this.tellSources(status.sources);
    this.tellOthers(status);
  }

  tellSources(sources) {
    const sorted = [...sources].sort((one, other) => SORT[one.state] - SORT[other.state]);
    reconcile(this.sources, sorted, (source) => source.name, (source) => element("li", { class: "row" },
      named(source.name),
      element("span", { class: "row-side" }, element("span", { class: "dot" }))), (node, source) => {
      setText(node.querySelector("p"), source.reason ?? "");
      const dot = node.querySelector(".dot");
      setText(dot, source.state);
      dot.classList.toggle("on", source.state === "on");
      dot.classList.toggle("bad", source.state === "failed");
    });
  }

  tellOthers({ exporters, blocklists, alerts }) {
    const rows = [
      ...exporters.map((each) => ({
        key: `exporter ${each.address} ${each.domain} ${each.protocol}`, name: `${each.protocol} of ${each.address}`,
        text: `${count(each.flows)} flows, ${count(each.lost)} ${each.lost_unit ?? "records"} lost on the way, ` +
          `${count(each.lost_here)} here; last heard ${ago(each.last_heard)}`,
        state: each.lost || each.lost_here ? "losses" : "ok",
      })),
      ...blocklists.map((each) => ({
        key: `list ${each.name}`, name: `List ${each.name}`, state: each.state,
        text: each.error ?? `${count(each.entries)} entries${each.fetched ? `, fetched ${ago(each.fetched)}` : ""}`,
      })),
      ...alerts.filter((each) => each.state !== "off").map((each) => ({
        key: `alert ${each.name}`, name: `Alerts by ${each.name}`, state: each.state,
        text: each.last_error ?? (each.last_sent ? `last sent ${ago(each.last_sent)}` : "nothing sent yet"),
      })),
    ];
    this.othersCard.hidden = !rows.length;
    reconcile(this.others, rows, (row) => row.key, (row) => element("li", { class: "row" },
      named(row.name),
      element("span", { class: "row-side" })), (node, row) => {
      setText(node.querySelector("p"), row.text);
      setText(node.lastElementChild, row.state);
    });
  }
}

function card(title, id, body, { flush = false } = {}) {
  return element("section", { class: "card", "aria-labelledby": id },
    element("header", { class: "card-head" }, element("h2", { id, text: title })),
    element("div", { class: flush ? "card-body flush" : "card-body stack" }, body));
}

function fill(list, facts) {
  const make = ([name]) => element("div", {}, element("dt", { text: name }), element("dd"));
  const update = (node, [, text]) => setText(node.lastElementChild, text);
  reconcile(list, facts.filter(Boolean), ([name]) => name, make, update);
}

function named(name) {
  return element("div", { class: "row-main" }, element("span", { text: name }), element("p", { class: "muted small" }));
}

function writtenText({ written_today: today, written_a_day: daily }) {
  if (today === null) return "not counted by this system";
  return daily === null ? size(today) : `${size(today)}; about ${size(daily)} a day`;
}

function dayOf(text) {
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`;
}
