// All devices: who is known, who is here, what each moves; with filters that stand in the URL.
//
// Nothing moves away from who reads: while somebody is at a row, or has scrolled down, rows change where they stand,
// and new devices come at the end. Otherwise the order is looked after every few seconds.

import { element, setAttribute, setText } from "./dom.js";
import { Items } from "./deviceitems.js";
import { DEVICE_EXPORT, SORTS, deviceColumns, deviceFilter, exported, sorted, sortOf } from "./devicerows.js";
import { exportMenu } from "./export.js";
import { choose, label } from "./filters.js";
import { count } from "./format.js";
import { historiesOf } from "./histories.js";
import { KINDS, kindName } from "./kinds.js";
import { List } from "./list.js";
import { change, linkTo, route } from "./route.js";
import { keyOf } from "./store.js";
import { unusualOf } from "./unusual.js";

const FILTERS = ["text", "kind", "online", "new", "unusual"];
const PACE = 500; // milliseconds between two looks at what has changed
const ORDER = 5_000; // between two times of sorting
const TYPED = 250; // after the last letter
const MINUTE = 60_000;
const NEW = { "1 h": "in the last hour", "24 h": "in the last 24 hours", "7 d": "in the last 7 days" };

export class Devices {
  constructor(context) {
    Object.assign(this, { context, store: context.store, title: "Devices", timer: 0, orderedAt: 0 });
    this.histories = historiesOf(context);
    this.items = new Items(this.store, this.histories);
    this.unusual = unusualOf(this.store);
    const columns = deviceColumns(this.histories);
    this.list = new List({ label: "Devices", columns, keyOf: (item) => keyOf(item.device) });
    this.heads = this.makeHeads(columns);
    this.count = element("span", { class: "toolbar-count", role: "status" });
    this.clear = element("a", { class: "button quiet", text: "Clear filters" });
    this.said = element("div", { class: "empty" });
    this.problem = element("p", { class: "problem history-problem", hidden: true });
    const menu = exportMenu("devices", () => this.shown.map(exported), DEVICE_EXPORT);
    this.node = element("div", { class: "devices" },
      element("header", { class: "view-head" }, element("h1", { text: this.title }),
        element("div", { class: "view-tools" }, this.count, this.clear, menu)),
      element("section", { class: "card", "aria-label": "Devices" }, this.makeFilters(), this.problem, this.list.node,
        this.said));
    this.shown = [];
    this.look = this.look.bind(this);
    context.connection.addEventListener("state", () => this.isShown && this.plan());
  }

  makeFilters() {
    this.text = element("input", {
      type: "search", name: "device-text", autocomplete: "off", spellcheck: "false", maxlength: 200,
      placeholder: "name, address, maker, ...",
    });
    this.text.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => change({ text: this.text.value }), TYPED);
    });
    this.kind = select("device-kind", (value) => change({ kind: value }));
    this.fresh = select("device-new", (value) => change({ new: value }), { "": "any time", ...NEW });
    this.sort = select("device-sort", (value) => change({ sort: value === "name" ? null : value }),
      Object.fromEntries(Object.entries(SORTS).map(([name, [text]]) => [name, text])));
    this.segments = ["", "yes", "no"].map((value) => {
      const button = element("button", { type: "button", text: { "": "All", yes: "Here", no: "Away" }[value] });
      button.addEventListener("click", () => change({ online: value }));
      button.value = value;
      return button;
    });
    this.strange = element("button", { class: "button", type: "button", text: "Unusual" });
    this.strange.addEventListener("click", () => change({ unusual: route().unusual ? null : "yes" }));
    return element("div", { class: "toolbar", role: "search", "aria-label": "Filter devices" },
      label("Search", this.text, "wide"),
      element("div", { class: "segments", role: "group", "aria-label": "Who is here" }, this.segments),
      this.strange, label("Kind", this.kind), label("First seen", this.fresh), label("Sort", this.sort));
  }

  // Heads of columns sort, too.
  makeHeads(columns) {
    const heads = new Map();
    columns.forEach(({ title, sort }, place) => {
      if (!sort) return;
      const head = this.list.node.tHead.rows[0].cells[place];
      const button = element("button", { class: "sort", type: "button", text: title });
      button.addEventListener("click", () => {
        const now = route().sort ?? "name";
        const next = now === sort ? `-${sort}` : sort;
        change({ sort: next === "name" ? null : next });
      });
      head.replaceChildren(button);
      heads.set(sort, head);
    });
    return heads;
  }

  show(wanted) {
    if (!this.isShown) {
      this.isShown = true;
      this.list.start();
      this.histories.start();
      this.histories.addEventListener("change", this.look);
      this.minute = setInterval(this.look, MINUTE);
      this.unusual = unusualOf(this.store);
    }
    this.wanted = Object.fromEntries([...FILTERS, "sort"].map((name) => [name, wanted[name] ?? ""]));
    this.showFilters();
    this.orderedAt = 0; // who filters or sorts wants the order at once
    this.look();
  }

  hide() {
    this.isShown = false;
    this.list.stop();
    this.histories.stop();
    this.histories.removeEventListener("change", this.look);
    clearInterval(this.minute);
    clearTimeout(this.timer);
    clearTimeout(this.typing);
    this.timer = 0;
  }

  update(changed) {
    if (changed.has("threats")) this.unusual = null;
    if (changed.has("devices") || changed.has("threats")) this.plan();
  }

  plan() {
    this.timer ||= setTimeout(this.look, PACE);
  }

  showFilters() {
    const { text, kind, online, new: since, unusual, sort } = this.wanted;
    if (document.activeElement !== this.text) this.text.value = text;
    this.showKinds(kind);
    choose(this.fresh, since, `in the last ${since}`);
    const [order] = sortOf(sort) ?? [sort];
    choose(this.sort, sort || "name", `${order}, reversed`);
    for (const button of this.segments) button.setAttribute("aria-pressed", String(button.value === online));
    this.strange.setAttribute("aria-pressed", String(Boolean(unusual)));
    const by = (sort || "name").replace("-", "");
    for (const [name, head] of this.heads) {
      const isUp = !sort.startsWith("-") === ["name", "address"].includes(name);
      setAttribute(head, "aria-sort", name !== by ? null : isUp ? "ascending" : "descending");
    }
    this.isFiltered = FILTERS.some((name) => this.wanted[name]);
    this.clear.hidden = !this.isFiltered;
    this.clear.href = linkTo({ view: "devices", sort });
  }

  /** The kinds that there are, and the one that is chosen. */
  showKinds(chosen) {
    const there = new Set([...this.store.devices.values()].map((device) => device.kind));
    if (chosen) there.add(chosen);
    const known = Object.keys(KINDS).filter((kind) => there.delete(kind));
    const options = { "": "any", ...Object.fromEntries([...known, ...there].map((kind) => [kind, kindName(kind)])) };
    const text = JSON.stringify(options);
    if (text !== this.kindsShown && document.activeElement !== this.kind) {
      this.kindsShown = text;
      this.kind.replaceChildren(...optionsOf(options));
    }
    if (document.activeElement !== this.kind) this.kind.value = chosen;
  }

  look() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.isShown) return;
    if (!this.isTold && !this.list.isBusy) this.orderedAt = 0; // what each moved may be what decides, and is known now
    this.isTold = this.histories.isThere;
    this.unusual ??= unusualOf(this.store);
    const now = Math.floor(Date.now() / MINUTE) * MINUTE + MINUTE - 1;
    const all = this.items.all(this.unusual, now);
    this.shown = this.ordered(all.filter(deviceFilter(this.wanted, Date.now())));
    this.list.show(this.shown);
    this.showKinds(this.wanted.kind);
    this.tell(all.length);
  }

  /** In their order; as they stood, where that is not to be looked after now. */
  ordered(items) {
    const isDue = performance.now() - this.orderedAt > ORDER && !this.list.isBusy;
    if (isDue || !this.orderedAt || !this.places.size) {
      this.orderedAt = performance.now();
      const found = sorted(items, this.wanted.sort || "name");
      this.places = new Map(found.map((item, place) => [keyOf(item.device), place]));
      return found;
    }
    for (const item of items) {
      const key = keyOf(item.device);
      if (!this.places.has(key)) this.places.set(key, this.places.size);
    }
    this.timer ||= setTimeout(this.look, ORDER);
    return items.sort((one, other) => this.places.get(keyOf(one.device)) - this.places.get(keyOf(other.device)));
  }

  tell(all) {
    const { length } = this.shown;
    const here = this.shown.filter(({ device }) => device.status === "online").length;
    const shown = length === all ? count(all) : `${count(length)} of ${count(all)}`;
    setText(this.count, all ? `${shown} shown, ${count(here)} here` : "");
    const { failed, isThere } = this.histories;
    this.problem.hidden = !failed;
    if (failed) {
      const old = isThere ? "They are as they were a while ago." : "They are missing here.";
      setText(this.problem, `Presence and traffic could not be asked: ${failed.message}. ${old}`);
    }
    this.list.node.hidden = !length;
    this.said.hidden = length > 0;
    const state = length ? "" : all ? "none" : this.context.connection.epoch ? "nobody" : "waiting";
    if (state === this.saidState) return;
    this.saidState = state;
    const [title, text] = {
      none: ["No device is like that", "Fewer filters find more."],
      nobody: ["No devices yet",
        "They appear here as soon as a source sees one; the status tells which sources are on."],
      waiting: ["Connecting …", "The devices come as soon as netwatchd answers."],
    }[state] ?? ["", ""];
    this.said.className = state === "waiting" ? "empty loading" : "empty";
    this.said.replaceChildren(element("strong", { text: title }), element("p", { text }));
  }
}

function select(name, take, options = {}) {
  const node = element("select", { name }, optionsOf(options));
  node.addEventListener("change", () => take(node.value));
  return node;
}

function optionsOf(options) {
  return Object.entries(options).map(([value, text]) => element("option", { value, text }));
}
