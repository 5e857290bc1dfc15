// A line of small bars: what a device moved in the hours of a day. One path, so that hundreds of them cost little.

import { setAttribute, svg } from "./dom.js";
import { size, time } from "./format.js";

const WIDTH = 72;
const HEIGHT = 20;
const LEAST = 0.75; // units of what is there, but small; an hour of silence has a line of this height

/** A sparkline without data yet. */
export function sparkline() {
  const path = svg("path", { class: "spark-bars" });
  return svg("svg", {
    class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img",
    preserveAspectRatio: "none", focusable: "false",
  }, path);
}

/** Shows the bytes of each step; null is a step of which nothing is known. `says` is what they mean, as text. */
export function showSparkline(node, values, says) {
  setAttribute(node.firstChild, "d", values ? bars(values) : "");
  setAttribute(node, "aria-label", says);
}

/**
 * The path of bars for these numbers, the largest as high as there is room. The area that people see grows with the
 * root: one large download should not make all the rest of the day look like silence.
 */
export function bars(values, width = WIDTH, height = HEIGHT) {
  const step = width / values.length;
  const most = Math.max(...values.filter((value) => value !== null), 1);
  const wide = round(Math.max(step - 1, step / 2));
  return values.map((value, place) => {
    if (value === null) return "";
    const high = value === 0 ? LEAST / 2 : Math.max(Math.sqrt(value / most) * height, LEAST * 2);
    return `M${round(place * step)} ${height}v${-round(high)}h${wide}v${round(high)}z`;
  }).join("");
}

/** What the hours of a device say, in words: the answer for who does not see the bars. */
export function activityText(row, since) {
  if (!row) return "no traffic in the last 24 hours";
  const sums = totals(row);
  const sum = sums.reduce((all, each) => all + (each ?? 0), 0);
  if (!sum) return "no traffic in the last 24 hours";
  const top = sums.reduce((best, each, place) => ((each ?? -1) > (sums[best] ?? -1) ? place : best), 0);
  const when = time(since + top * 3_600_000).replace(/:\d\d(?=$| )/, "");
  return `${size(sum)} in the last 24 hours, most from ${when} on: ${size(sums[top])}`;
}

/** In and out together, by hour. */
export function totals(row) {
  return row.bytes_in.map((bytes, place) => (bytes === null ? null : bytes + row.bytes_out[place]));
}

function round(number) {
  return Math.round(number * 100) / 100;
}
