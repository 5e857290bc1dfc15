// When a device was here, and what it moved with whom, in a time that is chosen above.

import { ask } from "./api.js";
import { Chart } from "./chart.js";
import { element, setText } from "./dom.js";
import { size, span } from "./format.js";
import { described, TopList } from "./peers.js";
import { overlap, sessionTable, timeline, timesOf } from "./presence.js";
import { linkTo } from "./route.js";
import { beginOf, fromRows, RANGES, stepText, totals } from "./trafficdata.js";
import { TrafficTable } from "./traffictable.js";

const MOST = 10; // peers and ports
const HOUR = 3_600_000;

export class DeviceHistory {
  constructor({ store }) {
    Object.assign(this, { store, data: null });
    this.presenceSum = element("p", { class: "small" });
    this.days = element("div");
    this.table = element("div", {
      class: "list-scroll sessions", tabindex: "0", role: "region", "aria-label": "Times in which it was here",
    });
    this.times = element("details", { class: "traffic-table" },
      element("summary", { text: "The same as a table" }), this.table);
    this.times.addEventListener("toggle", () => this.drawSessions());
    this.presence = card("When it was here", "device-presence", element("div", { class: "card-body stack" },
      this.presenceSum, this.days, this.times));

    this.sums = element("p", { class: "small" });
    this.chart = new Chart({ label: "Traffic of this device", say: (place) => this.say(place) });
    this.readout = element("p", { class: "muted small chart-readout" });
    this.steps = new TrafficTable((place) => this.linkAt(place));
    this.said = element("p", { class: "muted small", hidden: true });
    this.drawn = element("div", {}, this.chart.node, this.readout,
      element("p", { class: "traffic-legend" }, element("span", { class: "traffic-key in", text: "to it, above" }),
        element("span", { class: "traffic-key out", text: "from it, below" })), this.steps.node);
    this.more = element("a", { text: "More of its traffic" });
    this.traffic = card("What it moved", "device-traffic",
      element("div", { class: "card-body" }, this.sums, this.said, this.drawn), this.more);

    this.peers = new TopList({ title: "With whom", empty: "With nobody in this time" });
    this.ports = new TopList({ title: "By which ports", empty: "By none in this time" });
    this.tops = card("With whom, by which ports", "device-tops",
      element("div", { class: "card-body tops device-tops" }, this.peers.node, this.ports.node));
  }

  /** Forgets what was shown of another device. */
  clear() {
    this.data = this.portrait = null;
    this.drawnText = "";
    this.days.replaceChildren();
    this.table.replaceChildren();
    for (const node of [this.presenceSum, this.sums, this.readout]) setText(node, "");
    for (const list of [this.peers, this.ports]) list.fail("…");
    this.drawn.hidden = true;
  }

  /** Since when a range asks (Unix ms). */
  sinceOf(range, now = Date.now()) {
    return beginOf(range, now);
  }

  /** Shows presence and peers, as /api/device tells them. */
  showPortrait(device, portrait, range) {
    Object.assign(this, { device, portrait, range });
    const now = Date.now();
    const since = Math.max(this.sinceOf(range, now), 0);
    const times = timesOf(portrait.sessions, device, now);
    const text = JSON.stringify([portrait.sessions, device.status, range, Math.floor(now / 60_000)]);
    if (text !== this.drawnText) {
      this.drawnText = text;
      const known = device.first_seen;
      const here = overlap(times, since, now);
      const share = Math.round(100 * here / Math.max(now - Math.max(since, known), 1));
      setText(this.presenceSum, here
        ? `Here for ${span(here)} in ${count(portrait.sessions.length)}, ${Math.min(share, 100)} % of the time.`
        : "It was not here in this time.");
      this.days.replaceChildren(timeline(times, since, now, known));
      this.drawSessions();
    }
    const filters = { device: portrait.mac ?? portrait.ip, since: agoText(range) };
    this.peers.show(portrait.peers.map((peer) => ({ ...peer, destination: peer.peer })), (row) => {
      const said = described(row, this.store, filters);
      return { ...said, mark: [said.mark, row.port].filter(Boolean).join(", ") };
    });
  }

  drawSessions() {
    this.times.hidden = !this.portrait?.sessions.length;
    if (!this.times.open || !this.portrait || this.table === document.activeElement) return;
    this.table.replaceChildren(sessionTable(this.portrait.sessions, this.device, Date.now()));
  }

  /** Asks for what was moved, and by which ports. Rejects where that cannot be asked. */
  async ask(key, range, signal) {
    const since = this.sinceOf(range);
    const { step, isDays } = RANGES[range];
    this.more.href = linkTo({ view: "traffic", device: key, range });
    const answer = await ask("traffic", { device: key, since, step }, signal);
    if (signal.aborted) return;
    this.showTraffic(fromRows(answer, isDays, since), key, range);
    const rows = await ask("top", { by: "port", device: key, since, limit: MOST }, signal);
    if (signal.aborted) return;
    this.ports.show(rows, (row) => described(row, this.store, { device: key, since: agoText(range) }));
  }

  showTraffic(data, key, range) {
    Object.assign(this, { data, key, range });
    const isEmpty = !data.bytesIn.some((bytes, place) => bytes || data.bytesOut[place]);
    const sum = totals(data);
    setText(this.sums, isEmpty ? "It moved nothing in this time." : `${size(sum.in)} down, ${size(sum.out)} up.`);
    this.drawn.hidden = isEmpty;
    this.said.hidden = true;
    if (isEmpty) return;
    this.chart.show(data).catch(() => {
      this.said.hidden = false;
      setText(this.said, "The chart could not be loaded; its numbers are below.");
    });
    this.steps.show(data);
  }

  say(place) {
    if (!this.data) return "";
    const { bytesIn, bytesOut } = this.data;
    const words = place < 0 ? "Rest on the chart, or use the arrow keys, for the numbers."
      : `${stepText(this.data, place)}: ${bytesIn[place] === null ? "nothing was recorded"
        : `${size(bytesIn[place])} down, ${size(bytesOut[place])} up`}`;
    setText(this.readout, words);
    return words;
  }

  linkAt(place) {
    const { times, ends } = this.data;
    return linkTo({ view: "traffic", device: this.key, range: this.range, since: times[place], until: ends[place] });
  }
}

function agoText(range) {
  return RANGES[range].length >= 48 * HOUR ? `${Math.round(RANGES[range].length / (24 * HOUR))} d` : "24 h";
}

function count(sessions) {
  return sessions === 1 ? "one go" : `${sessions} times`;
}

/** A titled card. */
export function card(title, id, body, ...tools) {
  return element("section", { class: "card", "aria-labelledby": id },
    element("header", { class: "card-head" }, element("h2", { id, text: title }), tools), body);
}
