// Whether what was done is stored, too: nothing is said where it is, which takes some milliseconds.

import { notice } from "./notice.js";

/**
 * Says where what was done just now is not stored yet: `done` begins the sentence, as in "Dismissed"; `close` takes away
 * what was said before; `action` as of a notice.
 */
export async function receipt(connection, done, { close = null, action = null } = {}) {
  const but = await connection.stored();
  if (but === null) return;
  close?.();
  notice(`${done}, but ${but}`, { action, bad: true });
}
