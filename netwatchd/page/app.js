// Puts the page together: one connection, one store, and the view that the URL names.

import "./theme.js";
import { connection, store } from "./known.js";
import { route, watchLinks } from "./route.js";
import { Shell } from "./shell.js";
import { Overview } from "./overview.js";
import { lazily } from "./lazy.js";
import { watchThreats } from "./alarm.js";

// A view is made of the context when it is first shown: `node` is its element, `title` what it is called;
// `show(route)` is called when it is shown and when its filters change, `hide()` when another one is; `update(changed)`
// once a frame, while it is shown, with what has changed in the store (as `Store.listen` has it).
const VIEWS = {
  overview: Overview,
  threats: lazily("Threats", async () => (await import("./threats.js")).Threats),
  devices: lazily("Devices", async () => (await import("./devices.js")).Devices),
  device: lazily("Device", async () => (await import("./device.js")).DeviceView),
  flows: lazily("Flows", async () => (await import("./flows.js")).Flows),
  traffic: lazily("Traffic", async () => (await import("./traffic.js")).Traffic),
  status: lazily("Status", async () => (await import("./status.js")).Status),
};

const context = { store, connection };
const shell = new Shell(context);
const views = new Map();
let shown = null;

function viewOf(name) {
  const known = Object.hasOwn(VIEWS, name) ? name : "overview";
  if (!views.has(known)) views.set(known, new VIEWS[known](context));
  return views.get(known);
}

function show() {
  const now = route();
  const view = viewOf(now.view ?? "overview");
  const isOther = view !== shown;
  if (isOther) shown?.hide();
  shown = view;
  view.show(now);
  shell.show(view, now, isOther);
}

store.listen((changed) => {
  shell.update(changed);
  shown?.update(changed);
});
addEventListener("route", show);
watchLinks();
watchThreats(context);
show();
