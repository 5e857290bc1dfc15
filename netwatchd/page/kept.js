// What is kept in this browser. Where it keeps nothing (cookies are blocked, the disk is full), it is kept until the page
// is closed: the page works all the same.

const here = new Map();

/** What is kept under a key, for this tab or for good, or null. */
export function kept(key) {
  return here.get(key) ?? tried(() => sessionStorage.getItem(key)) ?? tried(() => localStorage.getItem(key)) ?? null;
}

/** Whether what is kept under a key is kept beyond this tab. */
export function isForGood(key) {
  return tried(() => localStorage.getItem(key)) !== null;
}

/** Keeps a text under a key: for good, or for this tab. */
export function keep(key, text, forGood = true) {
  forget(key);
  const isKept = tried(() => {
    (forGood ? localStorage : sessionStorage).setItem(key, text);
    return true;
  });
  if (!isKept) here.set(key, text);
}

/** Keeps a text for this tab; what is kept for good is there again in the next one. */
export function lend(key, text) {
  here.delete(key);
  if (tried(() => sessionStorage.setItem(key, text)) === null) here.set(key, text);
}

/** Forgets what is kept under a key. */
export function forget(key) {
  here.delete(key);
  tried(() => sessionStorage.removeItem(key));
  tried(() => localStorage.removeItem(key));
}

function tried(what) {
  try {
    return what();
  } catch {
    return null; // SecurityError or QuotaExceededError, as the browser likes
  }
}
