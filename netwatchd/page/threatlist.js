// The list of threats: the open ones as they are told live, older ones as they are asked for, with filters in the URL.

import { ask } from "./api.js";
import { element, setAttribute, setText } from "./dom.js";
import { exportMenu } from "./export.js";
import { DEEDS, judgingOf, keepingFocus } from "./judging.js";
import { List } from "./list.js";
import { confirm } from "./notice.js";
import { change, linkTo, route } from "./route.js";
import { ThreatFilters } from "./threatfilters.js";
import { FILTERS, NEWS, orderOf, statusesOf, threatMatcher } from "./threatmatch.js";
import { threatColumns, threatExport } from "./threatcolumns.js";
import { calledSo, capital, tick } from "./threatwords.js";

const PAGE = 500; // threats that are asked for at once, the worst first
const MOST = 10_000; // and no more of them are kept by netwatchd
const MANY = 50; // threats with which nothing is done without a question
const TICK = 10; // seconds
const PACE = 250; // milliseconds: what follows sooner than that is shown together
const narrow = matchMedia("(max-width: 47.99rem)");

export class ThreatList {
  constructor(context) {
    Object.assign(this, { context, store: context.store, chosen: new Set(), past: new Map(), items: [], limit: PAGE });
    this.judging = judgingOf(context);
    this.filters = new ThreatFilters(context);
    this.count = element("span", { class: "toolbar-count", role: "status" });
    this.clear = element("a", { class: "button quiet", href: linkTo({ view: "threats" }), text: "Clear filters" });
    this.list = new List({
      label: "Threats", columns: threatColumns(this), keyOf: (threat) => threat.id,
    });
    this.dressHeads();
    this.heading = element("h1", { tabindex: "-1", text: "Threats" });
    this.bulk = this.bulkBar();
    const fold = element("details", { class: "fold", open: !narrow.matches },
      element("summary", { text: "Filters" }), this.filters.node);
    this.said = element("div", { class: "empty" });
    this.foot = element("footer", { class: "card-foot line", hidden: true });
    this.node = element("div", { class: "threats" },
      element("header", { class: "view-head" }, this.heading, this.filters.statuses,
        element("div", { class: "view-tools" }, this.count, this.clear,
          exportMenu("threats", () => this.items, threatExport(this.store)))),
      element("section", { class: "card", "aria-label": "Threats" },
        element("div", { class: "toolbar" }, fold), this.bulk, this.list.node, this.said, this.foot));
    this.judging.addEventListener("busy", () => this.refill());
    context.connection.addEventListener("state", () => {
      if (this.isShown && context.connection.state === "live") this.askPast();
    });
    context.connection.addEventListener("second", () => this.second());
    this.seconds = 0;
  }

  // The first column chooses, others sort.
  dressHeads() {
    this.all = element("input", { type: "checkbox", "aria-label": "Choose all that are shown" });
    this.all.addEventListener("change", () => this.choose(this.items, this.all.checked));
    this.heads = [...this.list.node.querySelectorAll("thead th")];
    this.heads[0].replaceChildren(element("label", { class: "check" }, this.all));
    this.list.columns.forEach(({ sort }, place) => {
      if (!sort) return;
      const button = element("button", { class: "sort", type: "button", text: this.heads[place].textContent });
      button.addEventListener("click", () => {
        const now = route().sort ?? "severity";
        const next = now === sort ? `-${sort}` : sort;
        change({ sort: next === "severity" ? null : next });
      });
      this.heads[place].replaceChildren(button);
    });
  }

  bulkBar() {
    this.chosenCount = element("span", { class: "toolbar-count", role: "status" });
    const none = element("button", { class: "button quiet small", type: "button", text: "Choose none" });
    none.addEventListener("click", () => this.choose([...this.items], false));
    const buttons = Object.entries(DEEDS).map(([op, { text }]) => {
      const button = element("button", { class: "button small", type: "button", text, dataset: { op } });
      button.addEventListener("click", () => this.judgeChosen(op));
      return button;
    });
    return element("div", { class: "bulk", role: "group", "aria-label": "With those that are chosen", hidden: true },
      this.chosenCount, element("span", { class: "buttons" }, buttons), none);
  }

  show(filters) {
    this.filters.show(filters);
    const wanted = JSON.stringify(FILTERS.map((name) => filters[name] ?? ""));
    const sort = filters.sort ?? "severity";
    this.clear.hidden = !FILTERS.some((name) => filters[name]);
    for (const [place, head] of this.heads.entries()) {
      const isIt = this.list.columns[place].sort === sort.replace(/^-/, "");
      const falls = (this.list.columns[place].falls ?? true) !== sort.startsWith("-");
      setAttribute(head, "aria-sort", isIt ? (falls ? "descending" : "ascending") : null);
    }
    if (!this.isShown) {
      this.isShown = true;
      this.list.start();
    }
    this.order = orderOf(filters.sort, (threat) => calledSo(threat.device ?? threat.target ?? "", this.store));
    if (wanted !== this.wanted) {
      this.wanted = wanted;
      this.parameters = Object.fromEntries(FILTERS.map((name) => [name, filters[name]]));
      this.limit = PAGE;
      this.chosen.clear();
      this.past.clear();
      this.askPast();
    }
    this.draw();
  }

  hide() {
    this.isShown = false;
    this.asked?.abort();
    this.asked = null;
    this.wanted = null;
    this.list.stop();
    clearTimeout(this.timer);
    this.timer = 0;
  }

  update(changed) {
    if (!this.isShown) return;
    if (changed.has("threats")) this.drawSoon();
    if (changed.has("devices")) this.isNamed = false;
  }

  drawSoon() {
    const pause = this.drawnAt + PACE - performance.now();
    if (pause <= 0) this.draw();
    else this.timer ||= setTimeout(() => this.draw(), pause);
  }

  second() {
    if (!this.isShown) return;
    this.seconds += 1;
    if (this.seconds % TICK === 0) tick(this.list.node);
    if (this.isNamed === false) this.refill();
    this.isNamed = true;
  }

  /** Asks for those that are not told live: the ones that are not open. */
  async askPast() {
    const statuses = statusesOf(this.parameters).filter((status) => status !== "open");
    this.failed = null;
    this.isFull = false;
    this.asked?.abort();
    if (!statuses.length) {
      this.asked = null;
      return;
    }
    const asked = (this.asked = new AbortController());
    try {
      const { severity, ...others } = this.parameters;
      const found = await ask("threats", {
        ...others, severity: severity === NEWS ? null : severity, status: statuses.join(","), limit: this.limit,
      }, asked.signal);
      if (asked.signal.aborted) return;
      this.past = new Map(found.map((threat) => [threat.id, threat]));
      this.isFull = found.length >= this.limit && this.limit < MOST;
    } catch (error) {
      if (asked.signal.aborted) return;
      // Who is not known has no threats; of the open ones nothing is asked.
      if (error.status !== 404) this.failed = error;
    }
    this.asked = null;
    if (this.isShown) this.draw();
  }

  draw() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.drawnAt = performance.now();
    const isMeant = threatMatcher(this.parameters, this.store);
    // What came live is newer than what was asked for.
    const known = new Map([...this.past, ...this.store.threats]);
    this.items = [...known.values()].filter(isMeant).sort(this.order);
    const ids = new Set(this.items.map((threat) => threat.id));
    for (const id of this.chosen) if (!ids.has(id)) this.chosen.delete(id);
    this.filters.offer(new Set([...known.values()].map((threat) => threat.kind)));
    keepingFocus(this.list.rows, this.heading, () => {
      this.list.show(this.items);
      this.list.draw();
    });
    this.list.node.hidden = !this.items.length;
    setText(this.count, this.items.length ? `${this.items.length.toLocaleString()} shown` : "");
    this.tellChosen();
    this.tellEmpty();
    this.tellFoot();
  }

  /** Fills the rows that are seen once more: who is busy, or how a device is called, has changed. */
  refill() {
    for (const row of this.list.rows.children) row.item = null;
    this.list.draw();
    this.tellChosen();
  }

  choose(threats, isChosen) {
    for (const { id } of threats) {
      if (isChosen) this.chosen.add(id);
      else this.chosen.delete(id);
    }
    if (!this.chosen.size && this.bulk.contains(document.activeElement)) this.heading.focus({ preventScroll: true });
    this.refill();
  }

  tellChosen() {
    const { size } = this.chosen;
    this.bulk.hidden = !size;
    this.all.checked = size > 0 && size === this.items.length;
    this.all.indeterminate = size > 0 && size < this.items.length;
    setText(this.chosenCount, size ? `${size.toLocaleString()} chosen` : "");
    const statuses = new Set(this.items.filter(({ id }) => this.chosen.has(id)).map((threat) => threat.status));
    for (const button of this.bulk.querySelectorAll("[data-op]")) {
      // Whether it would do anything with any of them.
      button.hidden = ![...statuses].some((status) => status !== DEEDS[button.dataset.op].status);
    }
  }

  async judgeChosen(op) {
    const chosen = this.items.filter((threat) => this.chosen.has(threat.id));
    const { text, done } = DEEDS[op];
    const title = `${text} ${chosen.length.toLocaleString()} threats?`;
    const asks = { title, text: `They are ${done} for everybody who looks.`, yes: text };
    if (chosen.length >= MANY && !(await confirm(asks))) return;
    this.heading.focus({ preventScroll: true });
    await this.judging.judge(chosen, op);
    this.choose(chosen, false);
  }

  tellEmpty() {
    const state = this.items.length ? "" : this.asked ? "asking" : this.failed ? `failed ${this.failed.message}` :
      this.store.stats.uptime === undefined ? "waiting" : this.clear.hidden ? "none" : "none like that";
    this.said.hidden = !state;
    if (this.saidState === state) return;
    this.saidState = state;
    const isWaiting = state === "asking" || state === "waiting";
    this.said.className = isWaiting ? "empty loading" : this.failed ? "empty error" : "empty";
    const again = element("button", { class: "button", type: "button", text: "Try again" });
    again.addEventListener("click", () => this.askPast());
    const say = (title, text, ...more) => [element("strong", { text: title }), element("p", { text }), ...more];
    this.said.replaceChildren(...{
      "": () => [],
      asking: () => say("Looking through the threats …", "The worst come first."),
      waiting: () => say("Looking …", "netwatchd has not told yet what is open."),
      none: () => say("No threat is open", "What was acknowledged or dismissed is still there.",
        element("a", { class: "button", href: linkTo({ view: "threats", status: "all" }), text: "Show all" })),
      "none like that": () => say("No threat is like that", "Fewer filters find more."),
    }[state]?.() ??
      say("The past could not be asked", `${capital(this.failed.message)}. What is open is shown.`, again));
  }

  tellFoot() {
    const parts = [];
    if (this.failed && this.items.length) {
      const text = `${capital(this.failed.message)}; only what is open is shown.`;
      parts.push(element("span", { class: "problem", text }));
    }
    if (this.isFull) {
      const more = element("button", { class: "button", type: "button", text: "Show all" });
      more.addEventListener("click", () => {
        this.limit = MOST;
        this.askPast();
      });
      const text = `Of those that are not open, the worst ${this.limit.toLocaleString()} are shown.`;
      parts.push(more, element("span", { class: "muted", text }));
    }
    const key = parts.map((part) => part.textContent).join();
    if (this.footKey === key) return;
    this.footKey = key;
    this.foot.replaceChildren(...parts);
    this.foot.hidden = !parts.length;
  }
}
