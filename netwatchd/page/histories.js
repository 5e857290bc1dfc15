// What devices moved in the last 24 hours, and when they were here: asked for all of them at once, once a minute, and
// only while somebody looks.

import { ask } from "./api.js";
import { midnight } from "./format.js";

const EVERY = 60_000; // milliseconds between two times of asking
const SOONEST = 10_000; // where somebody came or left
const PRESENCE = "24 h";

let only = null;

/** The histories of the devices of this page: all views look at the same. */
export function historiesOf(context) {
  return (only ??= new Histories(context));
}

/** Dispatches "change" when other data is there. */
class Histories extends EventTarget {
  constructor({ connection }) {
    super();
    Object.assign(this, {
      lookers: 0, asked: 0, due: Infinity, timer: 0, since: 0, told: 0, failed: null, isAsking: false,
    });
    this.activity = new Map(); // rows of /api/activity by the key of the device
    this.presence = new Map(); // sessions of a device, the newest first
    connection.addEventListener("state", () => connection.state === "live" && this.hint());
    connection.addEventListener("back", () => this.plan(0));
    document.addEventListener("visibilitychange", () => this.plan());
  }

  /** Somebody looks. */
  start() {
    this.lookers += 1;
    this.plan();
  }

  /** Somebody looks no more. */
  stop() {
    this.lookers -= 1;
    this.plan();
  }

  /** Something may be different: asks soon. */
  hint() {
    this.plan(SOONEST);
  }

  get isThere() {
    return this.told > 0;
  }

  plan(every = EVERY) {
    if (!this.lookers || document.visibilityState !== "visible") {
      clearTimeout(this.timer);
      this.due = Infinity;
      return;
    }
    const due = this.asked + every;
    if (this.isAsking || due >= this.due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => this.ask(), Math.max(due - Date.now(), 0));
  }

  async ask() {
    this.isAsking = true;
    this.asked = Date.now();
    this.due = Infinity;
    try {
      const [activity, presence] = await Promise.all([
        ask("activity", { today: midnight() }), ask("presence", { since: PRESENCE }),
      ]);
      this.since = activity.since;
      this.presenceSince = presence.since;
      this.told = presence.now;
      this.activity = kept(this.activity, activity.devices, (row) => row);
      this.presence = kept(this.presence, presence.devices, (row) => row.sessions);
      this.failed = null;
    } catch (error) {
      this.failed = error;
    }
    this.isAsking = false;
    this.dispatchEvent(new Event("change"));
    this.plan();
  }
}

// What is told again as it was stays the same object, so that nothing is drawn anew for it.
function kept(before, rows, part) {
  return new Map(rows.map((row) => {
    const [old, now] = [before.get(row.device), part(row)];
    return [row.device, old && JSON.stringify(old) === JSON.stringify(now) ? old : now];
  }));
}
