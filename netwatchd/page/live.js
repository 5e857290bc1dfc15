// Whether what is shown is true: the connection, how old the last word is, and what the daemon itself has trouble with.

import { element, reconcile, setAttribute, setText } from "./dom.js";
import { count, span, time } from "./format.js";
import { openLogin } from "./login.js";
import { announce, notice } from "./notice.js";
import { linkTo } from "./route.js";

const SAID_AFTER = 5_000; // milliseconds: shorter losses are shown, but not read out
const EXPLAINED_AFTER = 15_000;

/** The sum of a tree of counters. */
export function sumOf(tree) {
  return typeof tree === "number" ? tree : Object.values(tree ?? {}).reduce((sum, part) => sum + sumOf(part), 0);
}

/**
 * How much the daemon itself has lost of what it should have: `dropped`, but for what was meant for slow clients, and
 * `lost`, what sources know that they did not get.
 */
export function lossOf(stats) {
  const { messages: _messages, clients: _clients, ...dropped } = stats.dropped ?? {};
  return sumOf(dropped) + sumOf(stats.lost);
}

/** `1 record waits`, of how many of them wait to be written. */
export function waiting(pending = 0) {
  return pending === 1 ? "1 record waits" : `${count(pending)} records wait`;
}

export class Live {
  constructor({ connection, store }) {
    Object.assign(this, { connection, store, missed: 0, losses: null, lostAt: 0, isSaid: false });
    this.text = element("span");
    this.state = element("a", { class: "state dot", href: linkTo({ view: "status" }) }, this.text);
    this.state.addEventListener("click", (event) => {
      if (connection.state !== "refused") return;
      event.preventDefault();
      openLogin();
    });
    this.losses = element("a", { class: "badge losses", href: linkTo({ view: "status" }), hidden: true });
    this.node = element("span", { class: "live" }, this.losses, this.state);
    this.notes = element("div", { class: "page-notes" });
    connection.addEventListener("state", () => this.turn());
    connection.addEventListener("second", () => this.tell());
    new ResizeObserver(() => {
      document.documentElement.style.setProperty("--notes", `${this.notes.offsetHeight}px`);
    }).observe(this.notes);
    this.turn(); // it may be live already
  }

  turn() {
    const { state } = this.connection;
    if (state === "lost" && !this.lostAt) this.lostAt = performance.now();
    if (state === "live") {
      this.version ??= this.connection.server;
      if (this.isSaid) announce("Live again.", { asked: true });
      this.lostAt = 0;
      this.isSaid = false;
    }
    this.tell();
  }

  /** Brings up to date what is said; once a second, and when figures come. */
  tell() {
    const { state, heard, age } = this.connection;
    const stats = this.store.stats;
    const text = {
      live: "live",
      connecting: "connecting",
      refused: "a token is needed",
      lost: heard ? `reconnecting, ${span(age)} old` : "no answer yet, trying again",
    }[state];
    setText(this.text, text);
    setAttribute(this.state, "data-state", state);
    this.state.classList.toggle("on", state === "live");
    setAttribute(this.state, "title", heard ? `last word at ${time(heard)}` : null);
    const away = this.lostAt ? performance.now() - this.lostAt : 0;
    if (away > SAID_AFTER && !this.isSaid) {
      this.isSaid = true;
      announce("The connection to netwatchd is lost. It is tried again.", { asked: true });
    }
    this.tellLosses(stats);
    reconcile(this.notes, this.troubles(stats, away), (trouble) => trouble.key, banner, fill);
  }

  tellLosses(stats) {
    const losses = lossOf(stats);
    this.losses.hidden = losses === 0;
    setText(this.losses, `${count(losses)} lost`);
    setAttribute(this.losses, "title", "records that netwatchd knows it has lost since its start; here is which");
    if (this.store.missed > this.missed) {
      const missed = this.store.missed - this.missed;
      this.missed = this.store.missed;
      const updates = missed === 1 ? "1 update" : `${count(missed)} updates`;
      notice(`${updates} did not reach this browser; what is shown was asked for anew.`);
    }
  }

  troubles(stats, away) {
    const found = [];
    if (this.connection.isBlocked) {
      found.push({
        key: "blocked", level: "medium",
        text: "netwatchd answers, but not over the WebSocket at ws. A proxy in between has to pass that on, and " +
          `${location.origin} has to stand in allowed_origins of config.ini where the proxy asks under another name.`,
        act: { text: "Try now", do: () => this.connection.hurry() },
      });
    } else if (away > EXPLAINED_AFTER && this.connection.heard) {
      found.push({
        key: "away", level: "medium",
        text: `netwatchd has not been heard for ${span(this.connection.age)}. What is shown is of ` +
          `${time(this.connection.heard)}. Is the daemon running, and the network there?`,
        act: { text: "Try now", do: () => this.connection.hurry() },
      });
    } else if (away > EXPLAINED_AFTER) {
      found.push({
        key: "away", level: "medium",
        text: "netwatchd does not answer. Is it running? On its machine, netwatchd status tells.",
        act: { text: "Try now", do: () => this.connection.hurry() },
      });
    }
    if (this.version && this.connection.server !== this.version) {
      found.push({
        key: "version", level: "low",
        text: `This is now ${this.connection.server}; the page is that of ${this.version}.`,
        act: { text: "Reload", do: () => location.reload() },
      });
    }
    const database = stats.database ?? {};
    if (database.state && database.state !== "ok") {
      found.push({
        key: "database", level: "critical",
        text: `The database cannot be written. Meanwhile ${waiting(database.pending)} in memory, to be stored as soon ` +
          "as that works again.",
        link: { text: "More", href: linkTo({ view: "status" }) },
      });
    }
    return found;
  }
}

function banner(trouble) {
  const act = trouble.act && element("button", { class: "button small", type: "button", text: trouble.act.text });
  act?.addEventListener("click", () => trouble.act.do());
  const link = trouble.link && element("a", { href: trouble.link.href, text: trouble.link.text });
  return element("div", { class: "banner", "data-level": trouble.level }, element("p"), act, link);
}

function fill(node, trouble) {
  setText(node.firstElementChild, trouble.text);
}
