// What is said in passing: toasts, words for screen readers, and questions that want a yes.

import { element } from "./dom.js";

const STAYS = 7_000; // milliseconds that a toast is seen
const STAYS_WITH_ACTION = 15_000;
const MOST_TOASTS = 3;
// Words for screen readers that nobody asked for: so many at once, then one in so many milliseconds.
const AT_ONCE = 3;
const ONE_IN = 20_000;

const toasts = element("section", { class: "toasts", "aria-label": "Notices" });
const polite = element("p", { class: "visually-hidden", role: "status", "aria-live": "polite" });
document.body.append(toasts, polite);

/** How often something may be said: `atOnce` times, then once in `oneIn` milliseconds. */
export class Budget {
  constructor(atOnce = AT_ONCE, oneIn = ONE_IN) {
    Object.assign(this, { atOnce, oneIn, left: atOnce, since: 0, kept: 0 });
  }

  /** How many were kept back before this one, or null where this one is, too. `now` in milliseconds. */
  spend(now) {
    const earned = Math.floor((now - this.since) / this.oneIn);
    if (this.left + earned >= this.atOnce) [this.left, this.since] = [this.atOnce, now];
    else if (earned > 0) [this.left, this.since] = [this.left + earned, this.since + earned * this.oneIn];
    if (this.left < 1) {
      this.kept += 1;
      return null;
    }
    this.left -= 1;
    const before = this.kept;
    this.kept = 0;
    return before;
  }
}

const budget = new Budget();

/**
 * Has screen readers say a sentence. What answers the user (`asked`) is always said; news by themselves only now and
 * then, with how many were not.
 */
export function announce(text, { asked = false } = {}) {
  const before = asked ? 0 : budget.spend(performance.now());
  if (before === null) return;
  const said = before ? `${text} (and ${before} more before)` : text;
  // The same sentence again is only said where it is another text.
  polite.textContent = polite.textContent === said ? `${said}\u00a0` : said;
}

/**
 * Says a sentence in a corner for a while: what was done, with `action` ({text, do}) such as to undo it. Returns how to
 * take it away. It stays while somebody is at it.
 */
export function notice(text, { action = null, bad = false } = {}) {
  const close = () => {
    clearTimeout(timer);
    const hadFocus = toast.contains(document.activeElement);
    toast.remove();
    if (hadFocus) document.getElementById("main")?.focus({ preventScroll: true });
  };
  const act = action && element("button", {
    class: "button quiet", type: "button", text: action.text,
    onclick: () => {
      close();
      action.do();
    },
  });
  const away = closer();
  away.addEventListener("click", close);
  const toast = element("div", { class: bad ? "toast bad" : "toast" }, element("p", { text }), act, away);
  let timer = 0;
  const leave = () => {
    clearTimeout(timer);
    if (!bad) timer = setTimeout(close, action ? STAYS_WITH_ACTION : STAYS);
  };
  for (const event of ["pointerenter", "focusin"]) toast.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["pointerleave", "focusout"]) toast.addEventListener(event, leave);
  while (toasts.children.length >= MOST_TOASTS) toasts.firstElementChild.remove();
  toasts.append(toast);
  leave();
  announce(text, { asked: true });
  return close;
}

/** Says what did not work: an Error or a sentence. It stays until it is closed. */
export function problem(what) {
  const text = what instanceof Error ? what.message : String(what);
  return notice(text.charAt(0).toUpperCase() + text.slice(1), { bad: true });
}

function closer() {
  return element("button", { class: "button quiet icon-only", type: "button", "aria-label": "Close", text: "×" });
}

let dialogs = 0;

/**
 * A modal dialog that is not shown yet, with `title`, what its body holds, and buttons. It takes itself away when it is
 * closed.
 */
export function dialog(title, body, buttons = []) {
  const id = `dialog-${(dialogs += 1)}`;
  const away = closer();
  const node = element("dialog", { class: "dialog", "aria-labelledby": id },
    element("header", { class: "dialog-head" }, element("h2", { id, text: title }), away),
    element("div", { class: "dialog-body" }, body),
    buttons.length > 0 && element("footer", { class: "dialog-foot" }, buttons));
  away.addEventListener("click", () => node.close());
  // A click beside it closes it, too.
  node.addEventListener("pointerdown", (event) => event.target === node && node.close());
  node.addEventListener("close", () => node.remove());
  document.body.append(node);
  return node;
}

/**
 * Asks whether something shall be done: `title` is the question, `text` what it means, `yes` the word on the button.
 * Resolves to true or false.
 */
export function confirm({ title, text, yes, danger = false }) {
  return new Promise((resolve) => {
    const no = element("button", { class: "button", type: "button", text: "Cancel" });
    const go = element("button", { class: danger ? "button danger" : "button primary", type: "button", text: yes });
    const node = dialog(title, element("p", { text }), [no, go]);
    no.addEventListener("click", () => node.close());
    go.addEventListener("click", () => node.close("yes"));
    node.addEventListener("close", () => resolve(node.returnValue === "yes"));
    node.showModal();
    (danger ? no : go).focus();
  });
}
