// What is made of threats: acknowledge, dismiss, reopen, mute. Everybody who shows threats does it by this.

import { element, setAttribute } from "./dom.js";
import { showMute } from "./mute.js";
import { notice, problem } from "./notice.js";
import { receipt } from "./receipt.js";
import { capital } from "./threatwords.js";

const AT_ONCE = 8; // ops on their way
const PATIENCE = 3000; // milliseconds, for the update that follows a deed
const LONGEST = 70; // characters of a description in a notice

/** The ops by what they make of a threat, and the words for it. */
export const DEEDS = {
  acknowledge: { status: "acknowledged", text: "Acknowledge", done: "acknowledged" },
  dismiss: { status: "dismissed", text: "Dismiss", done: "dismissed" },
  reopen: { status: "open", text: "Reopen", done: "open again" },
};
const UNDOES = Object.fromEntries(Object.entries(DEEDS).map(([op, { status }]) => [status, op]));
const FITTING = { open: ["acknowledge", "dismiss"], acknowledged: ["dismiss", "reopen"], dismissed: ["reopen"] };
const known = new WeakMap();

/** The one Judging of a context. */
export function judgingOf(context) {
  if (!known.has(context)) known.set(context, new Judging(context));
  return known.get(context);
}

/** Fires `busy` when threats begin or end to be judged here. */
class Judging extends EventTarget {
  constructor({ store, connection }) {
    super();
    // `mine`: what was made of threats here, by their ids, as long as nobody has made anything else of them.
    Object.assign(this, { store, connection, busy: new Set(), mine: new Map() });
    store.listen((changed) => changed.has("threats") && this.disown());
  }

  /** Whether a threat has its status from here; else from somebody else, or from a time that this page does not know. */
  isMine(threat) {
    return this.mine.get(threat.id) === threat.status;
  }

  disown() {
    for (const [id, status] of this.mine) if (this.store.threats.get(id)?.status !== status) this.mine.delete(id);
  }

  /** Does an op of DEEDS to threats, says what came of it, and lets it be undone. Resolves when all that is over. */
  async judge(threats, op, { canUndo = true } = {}) {
    const meant = threats.filter((threat) => !this.busy.has(threat.id) && threat.status !== DEEDS[op].status);
    if (!meant.length) return;
    this.mark(meant, true);
    const [done, failed] = [[], []];
    for (let at = 0; at < meant.length; at += AT_ONCE) {
      await Promise.all(meant.slice(at, at + AT_ONCE).map(async (threat) => {
        try {
          await this.connection.act({ op, threat: threat.id });
          await this.told(threat.id, DEEDS[op].status);
          this.mine.set(threat.id, DEEDS[op].status);
          done.push(threat);
        } catch (error) {
          failed.push(error);
        }
      }));
    }
    this.mark(meant, false);
    if (done.length) {
      const action = canUndo ? { text: "Undo", do: () => this.undo(done) } : null;
      const close = notice(sentence(done, DEEDS[op].done), { action });
      receipt(this.connection, summary(done, DEEDS[op].done), { close, action });
    }
    if (failed.length) problem(failure(failed, meant.length));
  }

  undo(threats) {
    for (const [status, op] of Object.entries(UNDOES)) {
      const before = threats.filter((threat) => threat.status === status);
      // As they are now, not as they were.
      const now = before.map((threat) => ({ ...threat, status: this.store.threats.get(threat.id)?.status ?? null }));
      this.judge(now, op, { canUndo: false });
    }
  }

  mark(threats, isBusy) {
    for (const { id } of threats) {
      if (isBusy) this.busy.add(id);
      else this.busy.delete(id);
    }
    this.dispatchEvent(new Event("busy"));
  }

  // The update goes to everybody, and may come a moment after the answer.
  told(id, status) {
    const isSo = () => this.store.threats.get(id)?.status === status;
    if (isSo()) return null;
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        stop();
        resolve();
      };
      const timer = setTimeout(end, PATIENCE);
      const stop = this.store.listen(() => isSo() && end());
    });
  }
}

function summary(threats, done) {
  return threats.length > 1 ? `${threats.length.toLocaleString()} threats are ${done}` : capital(done);
}

function sentence(threats, done) {
  if (threats.length > 1) return `${summary(threats, done)}.`;
  const { description } = threats[0];
  const text = description.length > LONGEST ? `${description.slice(0, LONGEST)} …` : description;
  return `${summary(threats, done)}: ${text}`;
}

function failure(errors, all) {
  if (all === 1) return errors[0].message;
  const reasons = [...new Set(errors.map((error) => error.message))];
  const more = reasons.length > 3 ? "; and more" : "";
  return `Not done with ${errors.length} of ${all} threats: ${reasons.slice(0, 3).join("; ")}${more}.`;
}

/**
 * Buttons to judge a threat: `threat(button)` returns the one that is meant when a button is used. `fillButtons` shows
 * those that fit.
 */
export function buttonsFor(threat, judging, { isSmall = true, canMute = true } = {}) {
  const size = isSmall ? "button small" : "button";
  const act = (op) => {
    const button = element("button", { class: size, type: "button", text: DEEDS[op].text, dataset: { act: op } });
    button.addEventListener("click", () => judging.judge([threat(button)], op));
    return button;
  };
  const mute = element("button", { class: `${size} quiet`, type: "button", text: "Mute …", dataset: { act: "mute" } });
  mute.addEventListener("click", () => showMute(threat(mute), () => judging.judge([threat(mute)], "dismiss")));
  return element("span", { class: "buttons judge" }, Object.keys(DEEDS).map(act), canMute && mute);
}

/** Shows those buttons that fit the threat. Who waits keeps the focus: a button is not disabled, but does nothing. */
export function fillButtons(node, threat, judging) {
  const isBusy = judging.busy.has(threat.id);
  for (const button of node.children) {
    const { act } = button.dataset;
    button.hidden = act === "mute" ? threat.status === "dismissed" : !FITTING[threat.status]?.includes(act);
    setAttribute(button, "aria-disabled", isBusy && act !== "mute" ? "true" : null);
    const what = threat.description.slice(0, 2 * LONGEST);
    setAttribute(button, "aria-label", `${button.textContent.replace(" …", "")}: ${what}`);
  }
}

/**
 * Draws a list anew: the focus stays where it is; where its row has left, it goes to the row that came into its place,
 * or to `fallback` where none is left.
 */
export function keepingFocus(rows, fallback, draw) {
  const had = document.activeElement;
  const row = had?.closest?.("[data-key]");
  if (!row || row.parentElement !== rows) {
    draw();
    return;
  }
  const at = [...rows.children].indexOf(row);
  draw();
  if (row.isConnected) {
    if (had.checkVisibility?.() === false) focusIn(row, had.dataset.act);
    else if (document.activeElement !== had) had.focus({ preventScroll: true });
    return;
  }
  const next = rows.children[Math.min(at, rows.children.length - 1)];
  if (next) focusIn(next, had.dataset.act);
  else fallback.focus({ preventScroll: true });
}

function focusIn(row, act) {
  const same = act && row.querySelector(`[data-act="${act}"]:not([hidden])`);
  (same ?? row.querySelector("a, button:not([hidden])"))?.focus({ preventScroll: true });
}
