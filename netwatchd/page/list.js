// A long list, of which only those rows are made that are seen: a table whose rows all have the same height.

import { element, reconcile, setAttribute } from "./dom.js";

const BEYOND = 6; // rows above and below the window, for who scrolls, and for the next key
const GUESS = 34; // pixels of a row, until one is there to be measured

export class List {
  /**
   * `label` is what it is a list of; `keyOf(item)` what tells its items apart. A column has a `title`, perhaps a
   * `class` (as parts.css has them) and `isHead` (what a row is about), and `fill(cell, item)`, which is called
   * whenever the item is another one; `make(item)`, where it is there, gives what a new cell begins with.
   */
  constructor({ label, columns, keyOf }) {
    Object.assign(this, { columns, keyOf, items: [], places: new Map(), height: GUESS, frame: 0 });
    const heads = columns.map(({ title, class: name }) =>
      element("th", { class: name, scope: "col", role: "columnheader", text: title }));
    this.above = element("tr", { "aria-hidden": "true" });
    this.below = element("tr", { "aria-hidden": "true" });
    this.rows = element("tbody", { role: "rowgroup" });
    this.node = element("table", { class: "list long", role: "table", "aria-label": label },
      element("thead", { role: "rowgroup" }, element("tr", { role: "row", "aria-rowindex": 1 }, heads)),
      element("tbody", { class: "spacer", role: "presentation" }, this.above),
      this.rows,
      element("tbody", { class: "spacer", role: "presentation" }, this.below));
    this.look = () => (this.frame ||= requestAnimationFrame(() => this.draw()));
  }

  /** Begins to follow the window. */
  start() {
    addEventListener("scroll", this.look, { passive: true });
    addEventListener("resize", this.look);
    this.look();
  }

  /** Ends that. */
  stop() {
    removeEventListener("scroll", this.look);
    removeEventListener("resize", this.look);
  }

  /** Shows these items, in this order. */
  show(items) {
    this.items = items;
    setAttribute(this.node, "aria-rowcount", items.length + 1);
    this.look();
  }

  /** Has all rows that are seen be filled again, as when those are called otherwise whom they name. */
  refresh() {
    for (const row of this.rows.children) row.isStale = true;
    this.look();
  }

  /** Whether the first row is above the window, or somebody is at a row: then rows should not move. */
  get isBusy() {
    return this.rows.contains(document.activeElement) || this.node.getBoundingClientRect().top < -this.height;
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.node.isConnected) return;
    const { items, height } = this;
    const top = this.above.parentElement.getBoundingClientRect().top;
    const first = Math.max(Math.min(Math.floor(-top / height) - BEYOND, items.length - 1), 0);
    const last = Math.min(Math.ceil((innerHeight - top) / height) + BEYOND, items.length);
    const seen = items.slice(first, Math.max(last, first));
    seen.forEach((item, place) => this.places.set(item, first + place + 2));
    reconcile(this.rows, seen, this.keyOf, (item) => this.make(item), (row, item) => this.fill(row, item));
    this.places.clear();
    this.above.style.height = `${first * height}px`;
    this.below.style.height = `${Math.max(items.length - first - seen.length, 0) * height}px`;
    this.measure(seen.length);
  }

  // Rows that are cards on a phone are higher; a font that comes later changes them, too.
  measure(length) {
    if (!length) return;
    const height = this.rows.getBoundingClientRect().height / length;
    if (height > 1 && Math.abs(height - this.height) > 0.5) {
      this.height = height;
      this.look();
    }
  }

  make(item) {
    const cells = this.columns.map(({ title, class: name, isHead, make }) => element(isHead ? "th" : "td", {
      class: name, role: isHead ? "rowheader" : "cell", scope: isHead ? "row" : null,
      dataset: isHead ? {} : { label: title },
    }, make?.(item)));
    return element("tr", { role: "row" }, cells);
  }

  fill(row, item) {
    setAttribute(row, "aria-rowindex", this.places.get(item));
    if (row.item === item && !row.isStale) return;
    row.item = item;
    row.isStale = false;
    this.columns.forEach((column, place) => column.fill?.(row.children[place], item));
  }
}
