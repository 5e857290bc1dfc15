// How a flow is shown: as a row of a list, with all its details, and in exports.

import { element, setAttribute, setText } from "./dom.js";
import { count, moment, size, span, time } from "./format.js";
import { timeColumn } from "./export.js";
import { dialog } from "./notice.js";
import { portText, serviceOf } from "./ports.js";
import { linkTo, route } from "./route.js";
import { keyOf, nameOf } from "./store.js";

/** The states of flows that live. */
export const LIVES = new Set(["new", "active"]);

/**
 * A flow as its local side sees it: `device` (as far as it is known), `own` and `peer` (addresses), `isOut` (whether
 * the device began it), `down` and `up` (bytes).
 */
function sideOf(flow, store) {
  const device = store.deviceOf(flow.device);
  const isOut = flow.device === null || flow.device === flow.src_ip || store.deviceOf(flow.src_ip) === device ||
    (flow.device !== flow.dst_ip && store.deviceOf(flow.dst_ip) !== device);
  return isOut
    ? { device, own: flow.src_ip, peer: flow.dst_ip, isOut, down: flow.bytes_in, up: flow.bytes_out }
    : { device, own: flow.dst_ip, peer: flow.src_ip, isOut, down: flow.bytes_out, up: flow.bytes_in };
}

/** When a flow was first seen (Unix ms), as its id tells: the order in which they are listed. */
export function seenAt(id) {
  return Math.floor(id / 4096);
}

/** The columns of a List of flows. `filters`: whether peers and ports are links that filter by them. */
export function flowColumns(store, { filters = true } = {}) {
  const filter = (parts) => linkTo({ ...(filters ? route() : {}), view: "flows", before: null, ...parts });
  return [
    {
      title: "Seen", class: "nowrap numbers seen",
      make: (flow) => {
        const seen = seenAt(flow.id);
        const when = element("time", { datetime: new Date(seen).toISOString(), title: moment(seen), text: time(seen) });
        const open = element("button", { class: "row-link", type: "button" }, when);
        open.addEventListener("click", () => showFlow(open.closest("tr").item, store));
        return open;
      },
    },
    {
      title: "Device", isHead: true, class: "who",
      make: () => element("a"),
      fill: (cell, flow) => {
        const { device, own } = sideOf(flow, store);
        const href = device && linkTo({ view: "device", device: keyOf(device) });
        fillLink(cell.firstElementChild, href, device ? nameOf(device) : own, own);
      },
    },
    {
      title: "Peer", class: "whole peer",
      make: () => [
        element("span", { class: "way", "aria-hidden": "true" }), element("span", { class: "visually-hidden" }),
        element("a"),
      ],
      fill: (cell, flow) => {
        const { peer, isOut } = sideOf(flow, store);
        setText(cell.children[0], isOut ? "→" : "←");
        setText(cell.children[1], isOut ? "to " : "from ");
        fillLink(cell.children[2], filter({ peer }), store.called(peer), peer);
      },
    },
    {
      title: "Port", class: "nowrap port",
      make: (flow) => {
        const text = portText(flow.protocol, flow.dst_port);
        const service = serviceOf(flow.protocol, flow.dst_port);
        return [element("a", { text }), element("span", { class: "muted", text: service && ` ${service}` })];
      },
      fill: (cell, flow) => {
        const text = portText(flow.protocol, flow.dst_port);
        fillLink(cell.firstElementChild, filter(text.includes("/") ? { port: text } : { protocol: text }), text);
      },
    },
    { title: "Down", class: "numbers", fill: (cell, flow) => setText(cell, size(sideOf(flow, store).down)) },
    { title: "Up", class: "numbers", fill: (cell, flow) => setText(cell, size(sideOf(flow, store).up)) },
    { title: "Lasted", class: "numbers extra", fill: (cell, flow) => setText(cell, span(flow.end - flow.start)) },
    {
      title: "State", class: "nowrap state-cell",
      make: () => element("span"),
      fill: (cell, flow) => {
        const lives = LIVES.has(flow.state);
        setAttribute(cell.firstElementChild, "class", lives ? "dot on" : "muted");
        setText(cell.firstElementChild, lives ? "live" : flow.state);
      },
    },
  ];
}

// Only what is another one is set: who is about to click a link keeps it.
function fillLink(link, href, text, title = null) {
  setAttribute(link, "href", href);
  setAttribute(link, "title", title);
  setText(link, text);
}

/** Shows all that is known of a flow. */
function showFlow(flow, store) {
  const side = sideOf(flow, store);
  const who = (ip) => (store.called(ip) === ip ? ip : `${store.called(ip)} (${ip})`);
  const end = (ip, port) => `${who(ip)}${portText(flow.protocol, 0).includes("/") ? `, port ${port}` : ""}`;
  const service = serviceOf(flow.protocol, flow.dst_port);
  const facts = [
    ["From, which began it", end(flow.src_ip, flow.src_port)],
    ["To", end(flow.dst_ip, flow.dst_port)],
    ["Protocol", service ? `${flow.protocol} (${service})` : flow.protocol],
    ["State", flow.state],
    ["Began", moment(flow.start)],
    [LIVES.has(flow.state) ? "Last looked at" : "Ended", moment(flow.end)],
    ["Down", `${size(side.down)}, ${count(side.isOut ? flow.packets_in : flow.packets_out)} packets`],
    ["Up", `${size(side.up)}, ${count(side.isOut ? flow.packets_out : flow.packets_in)} packets`],
    ["Told by", flow.source],
    flow.exporter && ["Exporter", `${flow.exporter}, domain ${flow.domain}`],
    flow.sampling > 1 && ["Sampled", `one of ${count(flow.sampling)} packets; figures are multiplied by it`],
    flow.clock_trusted === false && ["Clock", "the exporter's is off; the times are those of arrival"],
  ].filter(Boolean);
  const links = [
    side.device && [{ view: "device", device: keyOf(side.device) }, nameOf(side.device)],
    [{ view: "flows", peer: side.peer }, `All flows of ${store.called(side.peer)}`],
    side.device && [{ view: "flows", device: keyOf(side.device), peer: side.peer }, "All between the two"],
  ].filter(Boolean);
  const node = dialog("One flow", [
    element("dl", { class: "facts" }, facts.map(([name, text]) =>
      element("div", {}, element("dt", { text: name }), element("dd", { text })))),
    element("p", { class: "line small" }, links.map(([parts, text]) => {
      const link = element("a", { class: "button", href: linkTo(parts), text });
      link.addEventListener("click", () => node.close());
      return link;
    })),
  ]);
  node.showModal();
}

/** The columns of an export of flows. */
export function flowExport(store) {
  const names = ["src_ip", "src_port", "dst_ip", "dst_port", "protocol", "packets_out", "bytes_out", "packets_in",
    "bytes_in", "state", "source", "device"];
  return [
    timeColumn("start"), timeColumn("end"), ...names.map((name) => ({ name })),
    { name: "device_name", value: (flow) => store.called(flow.device) }, { name: "id" },
  ];
}
