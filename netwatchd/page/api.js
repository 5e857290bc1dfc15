// What is asked of the past: GET /api/NAME answers what `netwatchd NAME --json` prints (docs/INTERFACE.md).

import { token } from "./token.js";

const PATIENCE = 20_000; // milliseconds

/** The daemon did not answer, or said no; the message is a sentence, `status` the one of HTTP, or 0. */
export class Unanswered extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** The answer to `name`; parameters that are null, undefined or empty are left out. `signal` may end the asking. */
export async function ask(name, parameters = {}, signal = undefined) {
  return (await fetched(name, parameters, signal)).json();
}

/**
 * A list that may not be all there is: `rows`; `before`, below which more may be found (ask again with this `before`), or
 * null; `stopped`: it ended because as much was looked at as one question may, and not because it is full.
 */
export async function askPart(name, parameters = {}, signal = undefined) {
  const reply = await fetched(name, parameters, signal);
  const before = reply.headers.get("Netwatchd-Before");
  return {
    rows: await reply.json(),
    before: before === null ? null : Number(before),
    stopped: reply.headers.get("Netwatchd-Stopped") === "yes",
  };
}

/** What the daemon tells of itself: the object of `netwatchd status --json`. */
export async function askStatus(signal = undefined) {
  return (await request("status", signal)).json();
}

async function fetched(name, parameters, signal) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given).toString();
  return request(`api/${name}${query ? `?${query}` : ""}`, signal);
}

async function request(url, signal) {
  const known = token();
  let reply;
  try {
    reply = await fetch(url, {
      headers: known ? { Authorization: `Bearer ${known}` } : {},
      signal: signal ?? AbortSignal.timeout(PATIENCE),
      cache: "no-store",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unanswered("netwatchd does not answer");
  }
  if (!reply.ok) throw new Unanswered((await reply.text()).trim() || `netwatchd answers ${reply.status}`, reply.status);
  return reply;
}
