// How much came in and went out, step by step: bars, what came in above the line, what went out below it, in one scale.
//
// Each bar is as wide as its step and as high as its mean, so that nothing is smoothed, and where nothing was recorded
// there is none. It is drawn by uPlot (uplot/, whose one file has a line behind it that exports it), which is loaded
// when the first chart is shown. A pointer, or the arrow keys, choose a step, and with Shift a span of them.

import { element, setAttribute } from "./dom.js";

const PAD = 1.08; // so much room above the highest bar
const LEAST = { rate: 8_000, size: 1_000 }; // what the scale reaches at least: bit/s, bytes
const UNITS = ["", "k", "M", "G", "T", "P"];

let library = null;

/** uPlot, once it is loaded. */
function load() {
  library ??= import("./uplot/uPlot.js").then((module) => module.default, (error) => {
    library = null;
    throw error;
  });
  return library;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

export class Chart {
  /**
   * `label` is what it shows; `say(place)` the words for a step (by its place; -1: none is chosen);
   * `pick(first, last)`, where it is there, is called when somebody chooses the steps between two places.
   */
  constructor({ label, say, pick = null }) {
    Object.assign(this, { say, pick, plot: null, data: null, isDrawing: false, place: -1, from: -1, frame: 0 });
    this.node = element("div", {
      class: "chart", role: "slider", tabindex: "0", "aria-label": label, "aria-orientation": "horizontal",
      "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0,
    });
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("blur", () => this.choose(-1));
    this.size = new ResizeObserver(() => {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.fit());
    });
    this.size.observe(this.node);
    addEventListener("theme", () => this.plot?.redraw(false));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.plot?.redraw(false));
  }

  /**
   * Shows steps: `times` are when they began and `ends` when they ended (Unix ms), `bytesIn` and `bytesOut` their
   * bytes, null where nothing was recorded; `unit` is "rate" or "size"; from `from` to `to` (Unix ms); what is later than
   * `believed` may still become more, and what is not `chosen` (two times), where that is there, is paler. Rejects where uPlot cannot be loaded.
   */
  async show(data) {
    this.data = data;
    const last = Math.max(data.times.length - 1, 0);
    setAttribute(this.node, "aria-valuemax", last);
    this.choose(Math.min(this.place, last));
    const uPlot = await load();
    if (this.data !== data || !this.node.clientWidth) return;
    const columns = this.columns(data);
    if (this.plot) this.plot.setData(columns, true);
    else this.plot = new uPlot(this.options(uPlot), columns, this.node);
  }

  /** The value of a step as it is drawn. */
  value(bytes, place) {
    const { unit, times, ends } = this.data;
    return bytes === null ? null : unit === "rate" ? bytes * 8000 / (ends[place] - times[place]) : bytes;
  }

  columns({ times, bytesIn, bytesOut }) {
    return [
      times.map((time) => time / 1000),
      bytesIn.map((bytes, place) => this.value(bytes, place)),
      bytesOut.map((bytes, place) => (bytes === null ? null : -this.value(bytes, place))),
    ];
  }

  options(uPlot) {
    const bars = (name) => ({
      fill: () => colour(name), stroke: () => colour(name), width: 0, points: { show: false }, fillTo: () => 0,
      paths: (plot, series, first, last) => this.bars(uPlot, plot, series, first, last),
    });
    const axis = { stroke: () => colour("--muted"), font: this.font, ticks: { show: false }, gap: 6 };
    const lines = { show: true, width: 1, stroke: () => colour("--line") };
    return {
      ...this.extent(),
      padding: [6, 26, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: true, range: () => [this.data.from / 1000, this.data.to / 1000] },
        y: { range: (plot, least, most) => this.range(least ?? 0, most ?? 0) },
      },
      series: [{}, bars("--in"), bars("--out")],
      axes: [
        {
          ...axis, grid: { show: false }, size: 26, space: 72,
          values: (plot, at, number, space, step) => this.marks(at, step),
        },
        { ...axis, grid: lines, size: 76, space: 28, values: (plot, at) => at.map((value) => this.scaled(value)) },
      ],
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: Boolean(this.pick), y: false, setScale: false },
        dataIdx: (plot, series, place, time) => this.placeAt(time * 1000),
      },
      hooks: {
        setCursor: [(plot) => this.follow(plot)],
        setSelect: [(plot) => this.selected(plot)],
        draw: [(plot) => this.finish(plot)],
      },
    };
  }

  get font() {
    return `12px ${getComputedStyle(document.body).fontFamily}`;
  }

  extent() {
    return { width: Math.max(this.node.clientWidth, 120), height: Math.max(this.node.clientHeight, 90) };
  }

  fit() {
    if (!this.node.clientWidth || !this.data) return;
    if (!this.plot) this.show(this.data).catch(() => {});
    else this.plot.setSize(this.extent());
  }

  range(least, most) {
    const lowest = LEAST[this.data.unit];
    return [Math.min(least, -lowest / 8) * PAD, Math.max(most, lowest) * PAD];
  }

  // Bars of the width of their steps: one path for all of them.
  bars(uPlot, plot, series, first, last) {
    const path = new Path2D();
    const { times, ends } = this.data;
    const values = plot.data[series];
    const zero = plot.valToPos(0, "y", true);
    for (let place = first; place <= last; place += 1) {
      if (values[place] === null || values[place] === undefined) continue;
      const left = Math.round(plot.valToPos(times[place] / 1000, "x", true));
      const right = Math.round(plot.valToPos(ends[place] / 1000, "x", true));
      const gap = right - left > 8 * devicePixelRatio ? Math.round(devicePixelRatio) : 0;
      const top = plot.valToPos(values[place], "y", true);
      path.rect(left, Math.min(top, zero), Math.max(right - left - gap, 1), Math.abs(zero - top));
    }
    return { stroke: null, fill: path, clip: null, flags: 1 };
  }

  // What may still become more is paler; the zero line is above the bars; what is chosen has a frame.
  finish(plot) {
    const { ctx, bbox } = plot;
    const { believed, chosen, from, to } = this.data;
    const at = (time) => plot.valToPos(Math.min(Math.max(time, from), to) / 1000, "x", true);
    ctx.save();
    ctx.globalAlpha = 0.6;
    ctx.fillStyle = colour("--surface");
    const veiled = chosen ? [[from, chosen[0]], [chosen[1], to]] : [[believed ?? to, to]];
    for (const [first, last] of veiled) ctx.fillRect(at(first), bbox.top, at(last) - at(first), bbox.height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour("--edge");
    ctx.fillRect(bbox.left, Math.round(plot.valToPos(0, "y", true)), bbox.width, Math.max(devicePixelRatio, 1));
    ctx.restore();
  }

  /** `20 Mbit/s`, `3 GB`: as the scale says it, without a sign. */
  scaled(value) {
    let unit = 0;
    let rest = Math.abs(value);
    while (rest >= 1000 && unit < UNITS.length - 1) {
      rest /= 1000;
      unit += 1;
    }
    return `${Number(rest.toPrecision(3))} ${UNITS[unit]}${this.data.unit === "rate" ? "bit/s" : "B"}`;
  }

  marks(seconds, step) {
    return seconds.map((second) => {
      const when = new Date(second * 1000);
      const isMidnight = when.getHours() === 0 && when.getMinutes() === 0;
      if (step >= 86400 || isMidnight) return day.format(when);
      return step < 60 ? exact.format(when) : clock.format(when);
    });
  }

  // Choosing.

  placeAt(time) {
    const { times, ends } = this.data;
    let low = 0;
    let high = times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return times.length && times[low] <= time && time < ends[low] ? low : null;
  }

  follow(plot) {
    if (this.isMoving) return;
    const { left } = plot.cursor;
    const place = left >= 0 ? this.placeAt(plot.posToVal(left, "x") * 1000) : null;
    this.tell(place ?? -1);
  }

  tell(place) {
    this.place = place;
    const words = this.say(place);
    setAttribute(this.node, "aria-valuenow", Math.max(place, 0));
    setAttribute(this.node, "aria-valuetext", words);
  }

  /** Chooses a step; -1: none. */
  choose(place) {
    if (this.data) this.tell(place);
    if (!this.plot) return;
    this.isMoving = true;
    const { times, ends } = this.data;
    const middle = place < 0 ? -1 : this.plot.valToPos((times[place] + ends[place]) / 2000, "x");
    this.plot.setCursor({ left: place < 0 ? -10 : middle, top: 0 });
    this.isMoving = false;
  }

  key(event) {
    const { times } = this.data ?? { times: [] };
    const last = times.length - 1;
    const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };
    const now = this.place < 0 ? last : this.place;
    if (event.altKey || event.ctrlKey || event.metaKey || last < 0) return;
    if (event.key in moves) this.step(this.place < 0 ? last : now + moves[event.key], event.shiftKey, last);
    else if (event.key === "Home") this.step(0, event.shiftKey, last);
    else if (event.key === "End") this.step(last, event.shiftKey, last);
    else if (event.key === "Enter" && this.pick && this.place >= 0) this.take(this.from < 0 ? now : this.from, now);
    else return;
    event.preventDefault();
  }

  step(place, isSpan, last) {
    if (!isSpan) this.from = -1;
    else if (this.from < 0) this.from = this.place < 0 ? last : this.place;
    this.choose(Math.min(Math.max(place, 0), last));
    this.mark();
  }

  // The span that Shift has chosen.
  mark() {
    if (!this.plot || !this.pick) return;
    const { times, ends } = this.data;
    const [first, last] = [this.from, this.place].sort((a, b) => a - b);
    const left = this.from < 0 ? 0 : this.plot.valToPos(times[first] / 1000, "x");
    const width = this.from < 0 ? 0 : this.plot.valToPos(ends[last] / 1000, "x") - left;
    this.plot.setSelect({ left, width, top: 0, height: this.plot.over.clientHeight }, false);
  }

  selected(plot) {
    const { left, width } = plot.select;
    if (width < 4 || !this.pick) return;
    const { times } = this.data;
    const first = this.placeAt(plot.posToVal(left, "x") * 1000) ?? 0;
    const last = this.placeAt(plot.posToVal(left + width, "x") * 1000) ?? times.length - 1;
    this.take(first, last);
  }

  take(first, last) {
    this.from = -1;
    this.mark();
    this.pick(Math.min(first, last), Math.max(first, last));
  }
}
