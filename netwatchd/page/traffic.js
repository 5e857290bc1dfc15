// The traffic of the past: an hour, a day, a week or a month of it, of all or of one device, and who moved most of it.
//
// What is chosen stands in the URL: `range`, `device`, and `since` and `until` (Unix ms) where a span of it was picked.

import { ask, askStatus } from "./api.js";
import { Chart } from "./chart.js";
import { element, setText } from "./dom.js";
import { exportMenu, timeColumn } from "./export.js";
import { rate, time } from "./format.js";
import { described, TopList } from "./peers.js";
import { change, linkTo } from "./route.js";
import { beginOf, fromRows, fromRing, RANGES, rowsOf, spanText, stepText, totals } from "./trafficdata.js";
import { summed, TrafficTable } from "./traffictable.js";

const MOST = 10; // rows of a list
const HINT = "Drag over the chart to see who moved what in a part of the time.";
const LISTS = { device: "Devices", destination: "Destinations", port: "Ports" };

export class Traffic {
  constructor(context) {
    Object.assign(this, { context, store: context.store, title: "Traffic", data: null, asking: null, timer: 0 });
    Object.assign(this, { listed: new Map(), isNamed: true });
    this.ways = element("div", { class: "segments", role: "group", "aria-label": "Time" },
      Object.entries(RANGES).map(([name, { title }]) => element("a", { dataset: { range: name }, text: title })));
    this.device = element("select", { onchange: () => change({ device: this.device.value }) });
    this.picked = element("span", { class: "muted small" });
    this.whole = element("button", { class: "button small", type: "button", text: "Whole time",
      onclick: () => change({ since: null, until: null }) });
    this.sums = element("div", { class: "traffic-sums", "aria-live": "off" });
    this.readout = element("p", { class: "muted small chart-readout" });
    this.chart = new Chart({
      label: "Traffic", say: (place) => this.say(place), pick: (first, last) => this.pick(first, last),
    });
    this.legend = element("p", { class: "traffic-legend" },
      element("span", { class: "traffic-key in", text: "in, above" }),
      element("span", { class: "traffic-key out", text: "out, below" }), element("span"));
    this.table = new TrafficTable((place) => this.linkAt(place));
    this.said = element("div", { class: "empty", hidden: true });
    this.body = element("div", {}, this.sums, this.chart.node, this.readout, this.legend, this.table.node);
    this.lists = Object.fromEntries(Object.entries(LISTS).map(([by, title]) => [by, new TopList({ title, level: 2 })]));
    this.tops = element("div", { class: "tops traffic-tops" }, Object.values(this.lists).map(({ node }) => {
      node.classList.add("card", "traffic-top");
      return node;
    }));
    const menu = exportMenu("traffic", () => rowsOf(this.data), [
      timeColumn("time"), { name: "seconds" }, { name: "bytes_in" }, { name: "bytes_out" },
    ]);
    this.node = element("div", { class: "traffic" },
      element("header", { class: "view-head" }, element("h1", { text: this.title }),
        element("div", { class: "view-tools" }, this.ways, menu)),
      element("section", { class: "card", "aria-label": "Throughput" },
        element("div", { class: "toolbar" },
          element("label", { class: "field inline" }, element("span", { text: "Device" }), this.device),
          element("a", { class: "button quiet small", hidden: true, text: "About this device" }),
          element("span", { class: "end line" }, this.picked, this.whole)),
        element("div", { class: "card-body" }, this.said, this.body)),
      this.tops);
    this.about = this.node.querySelector(".toolbar a");
    document.addEventListener("visibilitychange", () => this.isShown && this.ask());
    context.connection.addEventListener("second", () => this.second());
    context.connection.addEventListener("back", () => this.isShown && this.ask());
    context.connection.addEventListener("state", () => this.isShown && this.failed && this.ask());
  }

  show(route) {
    this.isShown = true;
    this.range = route.range in RANGES ? route.range : "24h";
    this.wanted = route.device ?? "";
    const [since, until] = [Number(route.since), Number(route.until)];
    this.span = since > 0 && until > since ? [since, until] : null;
    setText(this.picked, this.span ? spanText(since, until) : "");
    this.whole.hidden = !this.span;
    for (const way of this.ways.children) {
      way.href = linkTo({ view: "traffic", range: way.dataset.range, device: this.wanted });
      if (way.dataset.range === this.range) way.setAttribute("aria-current", "true");
      else way.removeAttribute("aria-current");
    }
    this.listDevices();
    clearInterval(this.timer);
    this.timer = setInterval(() => this.ask(), RANGES[this.range].pause);
    this.ask();
  }

  hide() {
    this.isShown = false;
    clearInterval(this.timer);
    this.asking?.abort();
  }

  update(changed) {
    const keys = changed.get("devices");
    if (keys && (this.listed.size !== this.store.devices.size || [...keys].some((key) => this.isRenamed(key)))) {
      this.isNamed = false;
    }
  }

  // Once a second at most, however many devices get another name at a time.
  second() {
    if (!this.isShown || this.isNamed) return;
    this.listDevices();
    for (const list of Object.values(this.lists)) list.again();
  }

  isRenamed(key) {
    return this.listed.has(key) && this.listed.get(key) !== this.store.called(key);
  }

  // A list of devices is made when it is another one than before: who has it open loses nothing.
  listDevices() {
    if (document.activeElement === this.device && this.named) return;
    this.isNamed = true;
    const names = [...this.store.devices.keys()].map((key) => [key, this.store.called(key)]);
    this.listed = new Map(names);
    names.sort((a, b) => a[1].localeCompare(b[1]));
    const known = this.store.deviceOf(this.wanted);
    const chosen = known ? (known.mac ?? known.ip) : this.wanted;
    if (chosen && !known) names.push([chosen, chosen]);
    const text = JSON.stringify(names);
    if (text !== this.named) {
      this.named = text;
      this.device.replaceChildren(element("option", { value: "", text: "all devices" }),
        ...names.map(([key, name]) => element("option", { value: key, text: name })));
    }
    this.device.value = chosen;
    this.about.hidden = !chosen;
    if (chosen) this.about.href = linkTo({ view: "device", device: chosen });
  }

  async ask() {
    if (document.hidden) return;
    this.asking?.abort();
    const { signal } = (this.asking = new AbortController());
    const asked = `${this.range} ${this.wanted}`;
    if (asked !== this.asked) {
      this.chart.node.classList.add("is-old");
      this.asked = asked;
    }
    try {
      const data = await this.fetch(signal);
      if (signal.aborted) return;
      this.failed = false;
      this.draw(data);
      await this.askTops(signal);
    } catch (error) {
      if (signal.aborted) return;
      this.failed = true;
      if (this.data) setText(this.readout, `Not up to date: ${error.message}`);
      else this.tell("The traffic could not be read", error.message);
    }
  }

  async fetch(signal) {
    const { length, step, isDays } = RANGES[this.range];
    const now = Date.now();
    if (this.range === "1h" && !this.wanted) return fromRing((await askStatus(signal)).minutes, length);
    const since = beginOf(this.range, now);
    return fromRows(await ask("traffic", { since, step, device: this.wanted }, signal), isDays, since);
  }

  draw(data) {
    this.data = data;
    this.chart.node.classList.remove("is-old");
    const isEmpty = !data.bytesIn.some((bytes) => bytes !== null);
    if (isEmpty && this.range === "1h" && !this.wanted) {
      this.tell("Nothing is known of this hour yet",
        "It is counted from the start of netwatchd on; what was before stands in the last 24 hours.");
      return;
    }
    if (isEmpty) {
      this.tell("Nothing was recorded in this time",
        "netwatchd did not run then, or no source told of flows: netwatchd doctor says which sources are on.");
      return;
    }
    this.said.hidden = true;
    this.body.hidden = false;
    data.chosen = this.span;
    this.chart.show(data).catch(() => setText(this.readout, "The chart could not be loaded; its numbers are below."));
    this.drawSums();
    this.table.show(data);
    setText(this.legend.lastChild, this.note(data));
    if (this.chart.place < 0) this.say(-1);
  }

  drawSums() {
    const found = totals(this.data, this.span);
    const facts = [["In", found.in], ["Out", found.out]].map(([word, bytes]) => summed(word, bytes));
    if (found.seconds) {
      const [into, out] = [found.in, found.out].map((bytes) => rate(bytes / found.seconds));
      facts.push(summed("Mean", null, `${into} in, ${out} out`));
    }
    if (found.peak && this.data.unit === "rate") {
      const { rate: highest, word, place } = found.peak;
      facts.push(summed("Peak", null, `${rate(highest)} ${word}, ${stepText(this.data, place)}`));
    }
    this.sums.replaceChildren(...facts);
  }

  note({ bytesIn, unit, times, from }) {
    const isYoung = this.range === "1h" && times[0] - from >= 60_000;
    const since = isYoung ? `; known since ${time(times[0])}, when netwatchd was started` : "";
    const gaps = bytesIn.includes(null) ? "; nothing was recorded where there are no bars" : "";
    const what = `${this.range === "1h" && !this.wanted ? "without" : "with"} traffic between devices here`;
    return `${unit === "rate" ? "mean rate" : "sum"} of each ${RANGES[this.range].word}, ${what}${gaps}${since}`;
  }

  tell(head, words) {
    this.said.hidden = false;
    this.body.hidden = true;
    this.said.replaceChildren(element("strong", { text: head }), element("p", { text: words }));
  }

  say(place) {
    if (!this.data) return "";
    const words = place < 0 ? HINT : this.stepWords(place);
    setText(this.readout, words);
    return words;
  }

  stepWords(place) {
    const { bytesIn, bytesOut } = this.data;
    const when = stepText(this.data, place);
    if (bytesIn[place] === null) return `${when}: nothing was recorded`;
    const words = (word, bytes) => this.table.words(this.data, place, word, bytes);
    return `${when}: ${words("in", bytesIn)}, ${words("out", bytesOut)}`;
  }

  pick(first, last) {
    change({ since: this.data.times[first], until: this.data.ends[last] }, { replace: false });
  }

  linkAt(place) {
    const { times, ends } = this.data;
    return linkTo({ view: "traffic", range: this.range, device: this.wanted, since: times[place], until: ends[place] });
  }

  // The lists are by whole hours where their time is over.
  async askTops(signal) {
    const [since, until] = this.span ?? [this.data.from, null];
    const filters = { device: this.wanted, since: Math.round(since), until: until && Math.round(until) };
    const lists = this.wanted ? ["destination", "port"] : Object.keys(LISTS);
    this.lists.device.node.hidden = Boolean(this.wanted);
    for (const by of lists) {
      try {
        const rows = await ask("top", { by, ...filters, limit: MOST }, signal);
        this.lists[by].show(rows, (row) => described(row, this.store, filters));
        setText(this.lists[by].hint, this.span && !this.wanted ? "by whole hours" : "");
      } catch (error) {
        if (signal.aborted) return;
        this.lists[by].fail(error.message);
      }
    }
  }
}
