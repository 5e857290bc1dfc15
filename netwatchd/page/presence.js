// When a device was here: a strip of a day, and the days of a week or a month below each other.

import { element, setAttribute, svg } from "./dom.js";
import { moment, span, time } from "./format.js";

const LONG = 1000; // units of a strip
const LEAST = 4; // units of a session, so that a short one is seen
const dayName = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });

/** Start and end (Unix ms) of each session; one that lasts ends `now`, or when a device that has left was last seen. */
export function timesOf(sessions, device, now) {
  return (sessions ?? []).map(({ start, end }) =>
    [start, Math.max(end ?? (device.status === "online" ? now : device.last_seen), start)]);
}

/** How many milliseconds of a time somebody was here. */
export function overlap(times, begin, end) {
  let sum = 0;
  for (const [first, last] of times) sum += Math.max(Math.min(last, end) - Math.max(first, begin), 0);
  return sum;
}

/** A strip without data yet. */
export function strip() {
  return svg("svg", {
    class: "strip", viewBox: `0 0 ${LONG} 10`, preserveAspectRatio: "none", role: "img", focusable: "false",
  }, svg("rect", { class: "strip-back", width: LONG, height: 10 }), svg("path", { class: "strip-here" }));
}

/** Shows when somebody was here between two times; `says` is that as text, null where it stands beside the strip. */
export function showStrip(node, times, begin, end, says, until = end) {
  setAttribute(node.firstChild, "width", Math.round(at(until, begin, end)));
  setAttribute(node.lastChild, "d", stripPath(times, begin, end));
  setAttribute(node, "aria-label", says);
  setAttribute(node, "aria-hidden", says === null ? "true" : null);
}

/** The path of a strip. */
export function stripPath(times, begin, end) {
  let path = "";
  for (const [first, last] of times) {
    if (last < begin || first > end) continue;
    const from = Math.min(at(first, begin, end), LONG - LEAST);
    const wide = Math.max(at(last, begin, end) - from, LEAST);
    path += `M${Math.round(from)} 0h${Math.round(wide)}v10h${-Math.round(wide)}z`;
  }
  return path;
}

function at(when, begin, end) {
  return (Math.min(Math.max(when, begin), end) - begin) / (end - begin) * LONG;
}

/** The local days from `since` to `now`, the newest first: `{begin, end, here}` (Unix ms, and how long it was here). */
export function daysOf(times, since, now) {
  const days = [];
  let begin = new Date(now).setHours(0, 0, 0, 0);
  let end = new Date(begin).setDate(new Date(begin).getDate() + 1); // a day may have 23 or 25 hours
  while (end > since && days.length < 100) {
    days.push({ begin, end, here: overlap(times, begin, Math.min(end, now)) });
    end = begin;
    begin = new Date(begin).setDate(new Date(begin).getDate() - 1);
  }
  return days;
}

/** The days of a device as a list, each with its strip, and how long it was here as text. */
export function timeline(times, since, now, known) {
  const hours = element("div", { class: "days-hours", "aria-hidden": "true" }, element("span"),
    element("div", { class: "hours" }, ["0", "6", "12", "18", "24"].map((text) => element("span", { text }))),
    element("span"));
  const days = daysOf(times, since, now).map(({ begin, end, here }) => {
    const line = strip();
    showStrip(line, times, begin, end, null, Math.min(end, now));
    const day = dayName.format(begin);
    const isKnown = end > known;
    const text = here ? span(here) : isKnown ? "not here" : "not known yet";
    return element("li", { class: here ? "day" : "day away", title: titleOf(times, begin, end) },
      element("span", { class: "day-name", text: day }), line, element("span", { class: "day-sum numbers", text }));
  });
  return element("div", { class: "days-holder" }, hours, element("ul", { class: "days" }, days));
}

function titleOf(times, begin, end) {
  const clock = (when) => new Date(when).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  return times.filter(([first, last]) => last >= begin && first < end).reverse()
    .map(([first, last]) => `${clock(Math.max(first, begin))} to ${last > end ? "midnight" : clock(last)}`).join(", ");
}

/** The sessions as a table: the same for who cannot see strips, and for who wants to know exactly. */
export function sessionTable(sessions, device, now) {
  const when = (at) => element("time", { datetime: new Date(at).toISOString(), title: moment(at), text: time(at) });
  const rows = sessions.map((session, place) => {
    const [[start, end]] = timesOf([session], device, now);
    const lasts = session.end === null && device.status === "online" && place === 0;
    return element("tr", {}, element("th", { scope: "row" }, when(start)), element("td", {}, lasts ? "now" : when(end)),
      element("td", { class: "numbers", text: span(end - start) }));
  });
  return element("table", { class: "list keep" }, element("thead", {}, element("tr", {},
    element("th", { scope: "col", text: "Came" }), element("th", { scope: "col", text: "Left" }),
    element("th", { scope: "col", class: "numbers", text: "For" }))), element("tbody", {}, rows));
}
