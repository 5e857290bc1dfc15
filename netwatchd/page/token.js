// The token that the daemon may want. It comes by /#token=..., which no server sees, or is typed in, and is kept in this
// browser: for this tab, or for good where the user wants that.

import * as store from "./kept.js";

/** The key under which it is kept: another tab may have it, too. */
export const KEY = "netwatchd.token";
const FORM = /^[A-Za-z0-9._~-]{8,}$/; // as the daemon's configuration wants it

/** Whether a text can be a token at all. */
export function canBeToken(text) {
  return FORM.test(text);
}

/** The token, or an empty text. Takes one out of the address bar, so that nobody sees it there or shares it. */
export function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    // Whoever has made the link: it takes no token away that is kept for good, and leaves none that cannot be one.
    if (canBeToken(given)) store.lend(KEY, given);
    history.replaceState(history.state, "", location.pathname + location.search);
  }
  const kept = store.kept(KEY) ?? "";
  return canBeToken(kept) ? kept : "";
}

/** Whether a token is kept beyond this tab. */
export function isKeptForGood() {
  return Boolean(token()) && store.isForGood(KEY);
}

/** Keeps a token; `forGood` beyond this tab. */
export function keep(text, forGood) {
  store.keep(KEY, text, forGood);
}

/** Forgets the token. */
export function forget() {
  store.forget(KEY);
}
