// The third section of the overview: what the line carries now, the last minutes of it, and who moved most, with what.

import { ask } from "./api.js";
import { Chart } from "./chart.js";
import { element, setText } from "./dom.js";
import { rate, span, time } from "./format.js";
import { described, TopList } from "./peers.js";
import { linkTo } from "./route.js";

const SHOWN = 15 * 60_000; // milliseconds of the chart
const PAUSE = 60_000; // between two questions about destinations and ports
const NOW = 3; // steps that make "now"
const MOST = 5; // rows of a list

export class Line {
  constructor(context) {
    Object.assign(this, { context, store: context.store, title: "Who is using the line?", asked: 0, steps: null });
    this.in = figure("↓", "in");
    this.out = figure("↑", "out");
    this.said = element("p", { class: "muted small line-said" });
    this.readout = element("p", { class: "muted small chart-readout" });
    this.chart = new Chart({ label: "Throughput of the last 15 minutes", say: (place) => this.say(place) });
    this.empty = element("div", { class: "empty", hidden: true });
    this.talkers = new TopList({ title: "Devices", hint: "last minute", empty: "Nobody moved anything" });
    this.peers = new TopList({ title: "Destinations", hint: "last hour" });
    this.ports = new TopList({ title: "Ports", hint: "last hour" });
    this.live = element("div", { class: "line-live" },
      element("div", { class: "line-now" }, this.in.node, this.out.node, this.said), this.chart.node, this.readout);
    this.node = element("section", { "aria-labelledby": "line-title" },
      element("header", { class: "card-head" },
        element("h2", { id: "line-title", text: this.title }),
        element("a", { href: linkTo({ view: "traffic" }), text: "All traffic" })),
      element("div", { class: "card-body" }, this.empty, this.live,
        element("div", { class: "tops" }, this.talkers.node, this.peers.node, this.ports.node)));
    document.addEventListener("visibilitychange", () => this.isShown && this.ask());
    context.connection.addEventListener("back", () => {
      this.asked = 0;
      if (this.isShown) this.ask();
    });
  }

  show() {
    this.isShown = true;
    this.draw();
    this.ask();
    clearInterval(this.timer);
    this.timer = setInterval(() => this.ask(), PAUSE / 4);
  }

  hide() {
    this.isShown = false;
    clearInterval(this.timer);
  }

  update(changed) {
    if (changed.has("stats")) this.draw();
    else if (changed.has("devices")) this.drawRenamed(changed.get("devices"));
  }

  draw() {
    const traffic = this.store.stats.traffic;
    const isQuiet = !traffic || traffic.bytes_in + traffic.bytes_out + traffic.bytes_internal === 0;
    const isEmpty = isQuiet || !traffic.in.length;
    this.empty.hidden = !isEmpty;
    this.live.hidden = isEmpty;
    if (isEmpty) {
      this.sayWhy(isQuiet);
      return;
    }
    this.steps = stepsOf(traffic);
    const shown = this.nowOf(traffic);
    setText(this.in.text, rate(shown.in));
    setText(this.out.text, rate(shown.out));
    setText(this.said, shown.internal * 8 >= 1000
      ? `mean of ${shown.seconds} s; ${rate(shown.internal)} between devices here` : `mean of ${shown.seconds} s`);
    this.chart.show(this.steps).catch(() => setText(this.readout, "The chart could not be loaded."));
    if (this.chart.place < 0) this.say(-1);
    this.drawTalkers();
  }

  get top() {
    return (this.store.stats.traffic?.top ?? []).slice(0, MOST);
  }

  drawTalkers() {
    this.talkers.show(this.top, (row) => described(row, this.store));
  }

  // Others than those that stand here may be called as they like.
  drawRenamed(keys) {
    if (this.top.some((row) => keys.has(row.device))) this.drawTalkers();
  }

  // The newest steps that may be believed: what was moved in one is told until `lag` after its end.
  nowOf(traffic) {
    const late = Math.min(Math.ceil(traffic.lag / traffic.step), Math.max(traffic.in.length - 1, 0));
    const end = traffic.in.length - late;
    const mean = (counts) => counts.slice(Math.max(end - NOW, 0), end).reduce((sum, count) => sum + count, 0) / seconds;
    const seconds = Math.min(NOW, end) * traffic.step;
    return { in: mean(traffic.in), out: mean(traffic.out), internal: mean(traffic.internal), seconds };
  }

  say(place) {
    const traffic = this.store.stats.traffic;
    const { times, ends, bytesIn, bytesOut, internal } = this.steps ?? { times: [] };
    let words;
    if (place >= 0 && place < times.length) {
      const seconds = (ends[place] - times[place]) / 1000;
      words = `${time(times[place])}: in ${rate(bytesIn[place] / seconds)}, out ${rate(bytesOut[place] / seconds)}`;
      if (internal[place]) words += `, between devices here ${rate(internal[place] / seconds)}`;
    } else if (traffic?.lag > 2 * traffic.step) {
      words = `Steps of ${traffic.step} s; sources tell ${span(traffic.lag * 1000)} late, until then it is paler`;
    } else {
      words = `In above, out below, in steps of ${traffic?.step ?? 10} s; without traffic between devices here`;
    }
    setText(this.readout, words);
    return words;
  }

  sayWhy(isQuiet) {
    const { uptime } = this.store.stats;
    const [head, words] = uptime === undefined ? ["Loading …", ""]
      : !isQuiet ? ["One moment", "The first ten seconds are being measured."]
      : ["No traffic was told of yet", "As soon as a source tells of flows, they are shown here. "
        + "netwatchd doctor says which sources are on, and what would help."];
    this.empty.replaceChildren(element("strong", { text: head }), element("p", { text: words }));
  }

  // Destinations and ports are asked for while somebody looks, once a minute.
  async ask() {
    if (document.hidden || Date.now() - this.asked < PAUSE) return;
    this.asked = Date.now();
    const since = Date.now() - 3_600_000;
    for (const [list, by] of [[this.peers, "destination"], [this.ports, "port"]]) {
      try {
        const rows = await ask("top", { by, since, limit: MOST });
        const named = rows.filter((row) => row[by] !== null).slice(0, MOST);
        list.show(named, (row) => described(row, this.store, { since: "1 h" }));
      } catch (error) {
        list.fail(error.message);
        this.asked = Date.now() - PAUSE * 3 / 4; // soon again
      }
    }
  }
}

function figure(sign, word) {
  const text = element("span", { class: "figure-big" });
  const node = element("p", { class: `line-figure ${word}` },
    element("span", { class: "line-sign", "aria-hidden": "true", text: sign }),
    text, element("span", { class: "figure-unit", text: word }));
  return { node, text };
}

/** The steps of the statistics, as the chart has them. */
export function stepsOf({ until, step, lag, in: bytesIn, out: bytesOut, internal }) {
  const length = step * 1000;
  const begun = until - bytesIn.length * length;
  const times = bytesIn.map((_, place) => begun + place * length);
  return {
    times, ends: times.map((each) => each + length), bytesIn, bytesOut, internal, unit: "rate",
    from: until - Math.max(SHOWN, bytesIn.length * length), to: until,
    believed: until - lag * 1000,
  };
}
