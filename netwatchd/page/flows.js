// The flows: the latest as they come, and the past as far as it is kept, with filters that stand in the URL.
//
// Rows are in the order in which flows were first seen. What comes live is taken in twice a second, and only while it
// moves nothing away from who reads: who has scrolled down, or is at a row, is told how many newer ones there are.

import { askPart } from "./api.js";
import { element, setText } from "./dom.js";
import { exportMenu } from "./export.js";
import { FILTERS, FlowFilters } from "./flowfilters.js";
import { flowColumns, flowExport, LIVES, seenAt } from "./flowrows.js";
import { FlowStock } from "./flowstock.js";
import { count, time } from "./format.js";
import { List } from "./list.js";
import { matcher } from "./matching.js";
import { change, linkTo } from "./route.js";

const PAGE = 200; // flows that are asked for at once
const MOST_MISSED = 1000; // flows that are asked for to fill a hole; where more are missing, the list begins anew
const MOST_PAGES = 4; // times that is asked for at once, where rows may be missing that came in a busy time
const MOST = 10_000; // flows that are kept here; older ones are asked for again
// What was not written yet when it was asked for is, by then (commit_interval).
const WRITTEN = 8_000; // milliseconds
const PACE = 500; // milliseconds between two looks at what came live
const RENAMED = 5_000; // and between two at whether others are meant, since devices are called otherwise
const narrow = matchMedia("(max-width: 47.99rem)");

export class Flows {
  constructor(context) {
    Object.assign(this, { context, store: context.store, title: "Flows", asked: null, timer: 0, isPaused: false });
    this.filters = new FlowFilters(context);
    const columns = flowColumns(this.store);
    this.list = new List({ label: "Flows, the newest first", columns, keyOf: (flow) => flow.id });
    this.pause = element("button", { class: "button", type: "button", "aria-pressed": "false", text: "Pause" });
    this.pause.addEventListener("click", () => this.setPause(!this.isPaused));
    this.newer = element("button", { class: "button primary small newer", type: "button", hidden: true });
    this.newer.addEventListener("click", () => this.release());
    this.count = element("span", { class: "toolbar-count" });
    this.clear = element("a", { class: "button quiet", href: linkTo({ view: "flows" }), text: "Clear filters" });
    this.said = element("div", { class: "empty" });
    this.foot = element("footer", { class: "card-foot line" });
    const fold = element("details", { class: "fold", open: !narrow.matches },
      element("summary", { text: "Filters" }), this.filters.node);
    narrow.addEventListener("change", () => (fold.open = !narrow.matches));
    const menu = exportMenu("flows", () => this.items, flowExport(this.store));
    this.node = element("div", { class: "flows" },
      element("header", { class: "view-head" }, element("h1", { text: this.title }),
        element("div", { class: "view-tools" }, this.count, this.clear, this.pause, menu)),
      element("section", { class: "card", "aria-label": "Flows" },
        element("div", { class: "toolbar" }, fold),
        element("div", { class: "newer-holder" }, this.newer),
        this.list.node, this.said, this.foot));
    this.context.connection.addEventListener("state", () => {
      if (this.isShown && this.failed && context.connection.state === "live") this.ask();
    });
    this.begin({});
  }

  show(route) {
    this.filters.show(route);
    this.clear.hidden = !FILTERS.some((name) => route[name]) && !route.before;
    const wanted = JSON.stringify([...FILTERS, "before"].map((name) => route[name] ?? ""));
    if (!this.isShown) {
      this.list.start();
      this.isShown = true;
    }
    if (wanted === this.wanted) {
      this.look();
      this.fillHole();
      return;
    }
    this.wanted = wanted;
    this.begin(route);
    this.ask();
  }

  hide() {
    this.isShown = false;
    this.isWhole = true; // nobody says what changes meanwhile
    this.list.stop();
    clearTimeout(this.timer);
    this.timer = 0;
  }

  update(changed) {
    if (changed.has("stats") && this.store.missed !== this.missed) this.fillHole();
    this.isRenamed ||= changed.has("devices");
    for (const id of changed.get("flows") ?? []) this.told.add(id);
    if ((changed.has("flows") || this.isRenamed) && !this.timer) this.timer = setTimeout(() => this.lookAgain(), PACE);
  }

  lookAgain() {
    this.timer = 0;
    if (this.isRenamed) this.list.refresh();
    this.isRenamed = false;
    const { device, peer, text } = this.parameters;
    if ((device || peer || text) && performance.now() - this.wholeAt > RENAMED) this.isWhole = true;
    this.look();
  }

  begin(route) {
    this.parameters = Object.fromEntries(FILTERS.map((name) => [name, route[name]]));
    this.first = route.before ? Number(route.before) : null;
    // Who looks at a time that is over, or from one flow on back, wants nothing newer.
    this.isLive = !route.until && !this.first;
    this.isMeant = matcher(this.parameters, this.store);
    this.known = new FlowStock(); // what is shown
    this.late = new Map(); // what was asked for, because it did not come live
    this.told = new Set(); // ids of what has changed, and was not taken in yet
    this.isWhole = true; // whether all that is known is to be looked at
    this.before = this.first;
    this.missed = this.store.missed;
    this.isComplete = this.failed = this.isStopped = false;
    this.pause.hidden = !this.isLive;
    this.setPause(false);
    this.list.refresh(); // its links hold the filters
    this.list.show([]);
  }

  get items() {
    return this.known.items;
  }

  /** Asks for the next older ones. */
  async ask() {
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    this.isAsking = true;
    this.failed = null;
    this.tell();
    try {
      const found = await askPart("flows", { ...this.parameters, before: this.before, limit: PAGE }, asked.signal);
      if (asked.signal.aborted) return;
      for (const flow of found.rows) if (!this.known.get(flow.id)) this.known.put(flow);
      this.before = found.before;
      this.isComplete = found.before === null;
      this.isStopped = found.stopped;
    } catch (error) {
      if (asked.signal.aborted) return;
      this.failed = error;
    }
    this.isAsking = false;
    this.look(true);
    if (this.isLive) this.askAgain();
  }

  // What did not come live (the connection was away for long, or the view was) is asked for.
  async fillHole() {
    this.missed = this.store.missed;
    this.askAgain();
    if (!this.isLive || !this.items.length || this.isAsking || !this.isShown) return;
    // From the oldest one on that is shown and still lives: what became of it may not have been heard either.
    const from = this.items.findLast((flow) => LIVES.has(flow.state)) ?? this.items[0];
    await this.askLate(seenAt(from.id) - WRITTEN, 1, () => {
      this.begin(this.parameters);
      this.ask();
    });
  }

  // What was told to nobody yet when we asked, and not written yet either, is by then.
  askAgain() {
    clearTimeout(this.again);
    const [newest] = this.items;
    this.again = setTimeout(() => {
      if (!this.isLive || this.isAsking || !this.isShown) return;
      if (newest) this.askLate(seenAt(newest.id) - WRITTEN, MOST_PAGES);
      else this.askLate(null, 1);
    }, WRITTEN);
  }

  /** Asks for what was first seen since a time (Unix ms), so many times at most; where there is more, `more` is called instead of showing it. */
  async askLate(since, times, more = null) {
    const asked = (this.asked = new AbortController());
    let before = null;
    try {
      for (let turn = 0; turn < times; turn += 1) {
        const found = await askPart("flows", { ...this.parameters, since, before, limit: MOST_MISSED }, asked.signal);
        if (asked.signal.aborted) return;
        before = found.before;
        if (before === null || !more) this.takeLate(found.rows);
        if (before === null) return;
      }
      more?.();
    } catch {
      // Then it is not there either; the state of the connection says why.
    }
  }

  takeLate(rows) {
    for (const flow of rows) {
      if (this.store.flows.has(flow.id)) {
        this.store.correctFlow(flow);
      } else {
        this.late.set(flow.id, flow);
        this.told.add(flow.id);
      }
    }
    this.look();
  }

  /** Takes in what came live, where that is wanted, and shows it. */
  look(isOwn = false) {
    if (!this.isShown) return;
    const isHeld = this.isPaused || (!isOwn && this.items.length > 0 && this.isRead);
    const newer = this.isLive ? this.takeIn(isHeld) : 0;
    this.newer.hidden = !newer;
    if (newer) setText(this.newer, `${count(newer)} newer`);
    this.tell();
  }

  get isRead() {
    return this.list.isBusy || document.querySelector("dialog[open]") !== null;
  }

  /** Returns how many were not taken in, because rows are held. */
  takeIn(isHeld) {
    if (this.isWhole) {
      for (const ids of [this.late.keys(), this.store.flows.keys()]) for (const id of ids) this.told.add(id);
      this.isWhole = false;
      this.wholeAt = performance.now();
    }
    let held = 0;
    for (const id of this.told) {
      const flow = this.store.flows.get(id) ?? this.late.get(id);
      const known = this.known.get(id);
      if (known && known !== flow && this.isPaused) continue;
      if (flow && !this.isMeant(flow)) {
        this.known.delete(id); // as by another state
      } else if (flow && known !== flow) {
        if (!known && isHeld) {
          held += 1;
          continue;
        }
        // What is older than all that was asked for comes when it is its turn.
        if (!known && !this.isComplete && this.before !== null && id < this.before) continue;
        this.known.put(flow);
      }
      this.told.delete(id);
      this.late.delete(id);
    }
    return held;
  }

  release() {
    document.activeElement?.blur();
    scrollTo(0, 0);
    this.setPause(false);
  }

  setPause(isPaused) {
    this.isPaused = isPaused;
    this.pause.setAttribute("aria-pressed", String(isPaused));
    setText(this.pause, isPaused ? "Paused" : "Pause");
    if (!isPaused) this.look(true);
  }

  tell() {
    if (this.known.trim(MOST)) {
      this.before = this.items.at(-1).id;
      this.isComplete = false;
    }
    this.list.show(this.items);
    const { length } = this.items;
    this.list.node.hidden = length === 0;
    setText(this.count, length ? `${count(length)} shown` : "");
    this.tellEmpty(length);
    this.tellFoot(length);
  }

  tellEmpty(length) {
    const state = length ? "" : this.isAsking ? "asking" : this.failed ? `failed ${this.failed.message}` :
      this.before !== null ? "none yet" : "none";
    this.said.hidden = !state;
    if (this.saidState === state) return;
    this.saidState = state;
    this.said.className = { a: "empty loading", f: "empty error" }[state[0]] ?? "empty";
    const isFiltered = !this.clear.hidden;
    const again = element("button", { class: "button", type: "button", text: "Try again" });
    again.addEventListener("click", () => this.ask());
    const say = (title, text, ...more) => [element("strong", { text: title }), element("p", { text }), ...more];
    this.said.replaceChildren(...{
      "": () => [],
      asking: () => say("Looking through the flows …", "The newest come first."),
      none: () => (isFiltered
        ? say("No flow is like that", "Not in what is kept, and none has come since. Fewer filters find more.")
        : say("No flows yet", "They appear here as soon as a source tells of one; the status shows which are on.",
          element("a", { class: "button", href: linkTo({ view: "status" }), text: "Status" }))),
      "none yet": () => say("None found so far", "There are older flows that were not looked at yet."),
    }[state]?.() ?? say("The past could not be asked", `${sentence(this.failed)} What comes live is shown.`, again));
  }

  tellFoot(length) {
    const canGoOn = !this.isComplete && this.before !== null;
    const state = [canGoOn, this.isAsking, this.before, length > 0, Boolean(this.failed)].join();
    this.foot.hidden = this.isAsking && !length;
    if (this.footState === state) return;
    this.footState = state;
    const parts = [];
    if (this.failed && length) parts.push(element("span", { class: "problem", text: sentence(this.failed) }));
    if (canGoOn) {
      const more = element("button", {
        class: "button", type: "button", disabled: this.isAsking,
        text: this.isStopped ? "Look further back" : "Show older",
      });
      more.addEventListener("click", () => this.ask());
      const back = `Looked through back to ${time(seenAt(this.before))}.`;
      parts.push(more, element("span", { class: "muted", text: back }));
    } else if (length) {
      parts.push(element("span", { class: "muted", text: "That is all that is kept." }));
    }
    if (this.first) {
      const newest = element("button", { class: "button quiet", type: "button", text: "Show the newest" });
      newest.addEventListener("click", () => change({ before: null }));
      parts.push(newest);
    }
    this.foot.replaceChildren(...parts);
    this.foot.hidden = !parts.length;
  }
}

function sentence(error) {
  const text = error.message.charAt(0).toUpperCase() + error.message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
