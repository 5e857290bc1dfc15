// The kinds of devices (docs/INTERFACE.md), as people call them; icons.svg has an icon of the same name for each.

import { icon } from "./dom.js";

export const KINDS = {
  phone: "Phone", tablet: "Tablet", mobile: "Phone or tablet", watch: "Watch",
  computer: "Computer", server: "Server", nas: "Network storage", printer: "Printer", camera: "Camera",
  tv: "Television", speaker: "Loudspeaker", media: "Media player", console: "Game console",
  router: "Router", access_point: "Access point", switch: "Network switch", network: "Network equipment",
  voip: "Network telephone",
  light: "Light", plug: "Power plug", hub: "Smart home hub", sensor: "Sensor", thermostat: "Thermostat", lock: "Lock",
  appliance: "Household appliance", health: "Health device", energy: "Energy device", iot: "Smart thing",
  unknown: "Unknown kind",
};

/** What a kind is called; one that this page does not know yet, as it is written. */
export function kindName(kind) {
  return Object.hasOwn(KINDS, kind) ? KINDS[kind] : kind.replaceAll("_", " ");
}

/** The icon of a kind; `shown` is the one that is shown, where there is one already. */
export function kindIcon(kind, shown = null) {
  const name = Object.hasOwn(KINDS, kind) ? kind : "unknown";
  if (shown?.dataset.kind === name) return shown;
  const made = icon(name);
  made.dataset.kind = name;
  made.classList.add("kind-icon");
  shown?.replaceWith(made);
  return made;
}
