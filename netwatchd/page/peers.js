// Lists of who moved most: a line for each, with a bar of what came in and went out, and the sum beside it.

import { element, reconcile, setAttribute, setText } from "./dom.js";
import { size } from "./format.js";
import { portText, serviceOf } from "./ports.js";
import { linkTo } from "./route.js";

const OTHERS = { name: "all others", title: "those that were not among the first of an hour" };

/** What a row of `GET /api/top` is about, and where more of it is to be seen; `more` are filters for the flows. */
export function described(row, store, more = {}) {
  if ("device" in row) {
    if (row.device === null) return { name: "no known device", title: "flows of which neither side is a known device" };
    return { name: store.called(row.device), title: row.device, link: linkTo({ view: "device", device: row.device }) };
  }
  if ("destination" in row) {
    if (row.destination === null) return OTHERS;
    const known = store.deviceOf(row.destination);
    return {
      name: known ? store.called(row.destination) : row.destination,
      mark: known ? "here" : "",
      title: row.destination,
      link: linkTo({ view: "flows", ...more, peer: row.destination }),
    };
  }
  if (row.port === null) return OTHERS;
  const [protocol, number] = row.port.split("/");
  return {
    name: portText(protocol, Number(number)),
    mark: serviceOf(protocol, Number(number)),
    link: linkTo({ view: "flows", ...more, port: /^(tcp|udp)$/.test(protocol) ? row.port : null, protocol }),
  };
}

export class TopList {
  /** `title` is its heading, of level `level`; `hint` says of which time it is. */
  constructor({ title, hint = "", level = 3, empty = "Nothing yet" }) {
    this.empty = empty;
    this.hint = element("span", { class: "muted tiny", text: hint });
    this.rows = element("ol", { class: "top-rows" });
    this.none = element("p", { class: "muted small", text: empty, hidden: true });
    const heading = element(`h${level}`, { text: title });
    this.node = element("section", { class: "top-list", "aria-label": title },
      element("header", { class: "top-head" }, heading, this.hint), this.rows, this.none);
  }

  /** Shows rows with `bytes_in` and `bytes_out`; `describe(row)` says what each is about. */
  show(rows, describe) {
    this.redo = () => this.show(rows, describe);
    const most = Math.max(...rows.map((row) => row.bytes_in + row.bytes_out), 1);
    this.none.hidden = rows.length > 0;
    setText(this.none, this.empty);
    const keyOf = (row) => row.device ?? row.destination ?? row.port ?? "";
    reconcile(this.rows, rows, keyOf, () => this.make(), (node, row) => this.fill(node, row, describe(row), most));
  }

  /** Shows the same rows again, of which one is called otherwise now. */
  again() {
    this.redo?.();
  }

  /** Says why there is nothing. */
  fail(words) {
    this.redo = null;
    this.rows.replaceChildren();
    this.none.hidden = false;
    setText(this.none, words);
  }

  make() {
    const name = element("a", { class: "top-name clip" });
    const bar = element("span", { class: "bar", "aria-hidden": "true" },
      element("span", { class: "bar-in" }), element("span", { class: "bar-out" }));
    const node = element("li", { class: "top-row" }, name, element("span", { class: "top-mark muted tiny" }),
      element("span", { class: "top-sum numbers" }), bar, element("span", { class: "visually-hidden" }));
    return node;
  }

  fill(node, row, { name, mark = "", title = "", link = null }, most) {
    const [called, said, sum, bar, hidden] = node.children;
    setText(called, name);
    setAttribute(called, "href", link);
    setAttribute(called, "title", title && title !== name ? `${name} (${title})` : name);
    setText(said, mark);
    setText(sum, size(row.bytes_in + row.bytes_out));
    const words = `in ${size(row.bytes_in)}, out ${size(row.bytes_out)}`;
    setAttribute(sum, "title", words);
    setText(hidden, words);
    bar.children[0].style.width = `${100 * row.bytes_in / most}%`;
    bar.children[1].style.width = `${100 * row.bytes_out / most}%`;
  }
}
