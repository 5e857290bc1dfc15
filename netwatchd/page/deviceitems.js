// Devices with all that is shown of them in a line, on the first screen and in the list.

import { ago } from "./format.js";
import { kindName } from "./kinds.js";
import { isSame } from "./unusual.js";

/** How long ago a time was, by minutes: rows are brought up to date once in one. */
export function minutesAgo(time, now) {
  return now - time < 60_000 ? "just now" : ago(time, now);
}

/** What stands below a device's name: what it is, and who made it. */
export function whatItIs(device) {
  const made = device.model ?? device.vendor;
  const kind = device.kind === "unknown" ? null : kindName(device.kind);
  return [kind, made].filter(Boolean).join(" · ") || (device.random_mac ? "Private MAC" : kindName("unknown"));
}

/** Devices with all that their rows show. What is the same as before is the same object, and is not drawn again. */
export class Items {
  constructor(store, histories) {
    Object.assign(this, { store, histories, known: new Map() });
  }

  /** The items of all devices; `now` (Unix ms) is only as exact as ages and strips have to be. */
  all(unusual, now) {
    const items = new Map();
    for (const [key, device] of this.store.devices) {
      const old = this.known.get(key);
      const activity = this.histories.activity.get(key);
      const sessions = this.histories.presence.get(key);
      const strange = unusual.get(key);
      const isTold = this.histories.isThere;
      const isOld = old && old.device === device && old.activity === activity && old.sessions === sessions &&
        isSame(old.unusual, strange) && old.now === now && old.isTold === isTold;
      items.set(key, isOld ? old : { device, activity, sessions, unusual: strange, now, isTold });
    }
    this.known = items;
    return [...items.values()];
  }
}
