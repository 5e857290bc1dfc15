// The numbers of the chart as a table, for who reads rather than sees; it is made when somebody opens it.

import { element } from "./dom.js";
import { rate, size } from "./format.js";
import { stepText } from "./trafficdata.js";

export class TrafficTable {
  /** `linkAt(place)` is where a step is looked at by itself. */
  constructor(linkAt) {
    this.linkAt = linkAt;
    this.rows = element("tbody");
    this.node = element("details", { class: "traffic-table", ontoggle: () => this.draw() },
      element("summary", { text: "The same as a table" }),
      element("div", { class: "list-scroll", tabindex: "0", role: "region", "aria-label": "The steps of the chart" },
        element("table", { class: "list" },
          element("thead", {}, element("tr", {},
            element("th", { scope: "col", text: "Time" }),
            element("th", { scope: "col", class: "numbers", text: "In" }),
            element("th", { scope: "col", class: "numbers", text: "Out" }))),
          this.rows)));
  }

  show(data) {
    this.data = data;
    this.draw();
  }

  draw() {
    if (!this.node.open || !this.data || this.rows.contains(document.activeElement)) return;
    const places = this.data.times.map((_, place) => place).reverse();
    this.rows.replaceChildren(...places.map((place) => this.row(place)));
  }

  row(place) {
    const { bytesIn, bytesOut } = this.data;
    const isGap = bytesIn[place] === null;
    return element("tr", {},
      element("th", { scope: "row" }, element("a", { href: this.linkAt(place), text: stepText(this.data, place) })),
      isGap ? element("td", { class: "muted", colspan: 2, text: "nothing was recorded" })
        : [bytesIn, bytesOut].map((bytes) =>
          element("td", { class: "numbers", text: this.words(this.data, place, "", bytes) })));
  }

  /** `in 8.4 Mbit/s (630 MB)`; of days only the sum. */
  words({ times, ends, unit }, place, word, bytes) {
    const seconds = (Math.min(ends[place], Date.now()) - times[place]) / 1000;
    const sum = size(bytes[place]);
    const text = unit === "size" ? sum : `${rate(bytes[place] / Math.max(seconds, 1))} (${sum})`;
    return word ? `${word} ${text}` : text;
  }
}

/** A number above the chart. */
export function summed(word, bytes, text = size(bytes)) {
  return element("p", {}, element("span", { class: "muted small", text: `${word} ` }),
    element("span", { class: bytes === null ? "numbers" : "figure-big", text }));
}
