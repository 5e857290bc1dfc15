// The WebSocket: comes back after a loss, goes on where it was, and says how old is what is shown.
//
// A message counts as taken when it was handed on. Who was away asks for what was missed (`resume`); where that is gone,
// the daemon says so by a gap and sends a snapshot. What a gap leaves out otherwise is asked for by a snapshot, and until
// that is here the position stays: who loses the connection in between misses nothing.

import { KEY, token } from "./token.js";

const FIRST_PAUSE = 500; // milliseconds before the first attempt to come back, doubled each time
const LONGEST_PAUSE = 15_000;
const SILENCE = 12_000; // without a word for so long (statistics come every 5 s), the daemon is asked whether it is there
const PATIENCE = 5_000; // for its answer, and for a connection to come about
const ASLEEP = 120_000; // silent for so long, this machine slept: nobody waits for an answer over a connection of then
const ANSWER = 12_000; // for what the daemon says to an op: another one's commit, which it waits for, may take 5 s
const DONE = /^it is done, but not stored yet: /;
const REPAIR = 1_000; // after a gap, before a snapshot is asked for: more gaps may follow, or the snapshot by itself
const REPAIR_AGAIN = 15_000;

/**
 * States: `connecting`, `live`, `lost` (it will come back), `refused` (it wants a token). `isBlocked`: it is lost although
 * the daemon answers over HTTP. Dispatches "back" where it is live again: what was asked for is old.
 */
export class Connection extends EventTarget {
  /** `take(message)` is given each message, once and in order. */
  constructor(take) {
    super();
    this.take = take;
    this.state = "connecting";
    this.heard = 0; // when the last word came, Unix ms
    this.ticks = 0; // the same, of a clock that nobody sets, but that may stand still while the machine sleeps
    this.epoch = null; // of the position: null until a snapshot is here
    this.seq = 0;
    this.isGapped = false; // something is missing, and is asked for
    this.isBlocked = false;
    this.pause = FIRST_PAUSE;
    this.timer = 0;
    this.repair = 0;
    this.socket = null;
    this.began = 0; // when the socket was made
    this.waiting = []; // what was asked and not answered, in order: each op is followed by a ping, and is done at its pong
    this.heardOnce = false; // whether it was live before
    this.storing = null; // what waits for the next time when it is asked whether all is stored
    addEventListener("online", () => this.hurry());
    addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.hurry());
    document.addEventListener("resume", () => this.thaw()); // of a tab that the browser had frozen
    // A browser keeps a page that one has left, to go back to at once, where it has no connection open.
    addEventListener("pagehide", (event) => event.persisted && this.rest());
    addEventListener("pageshow", (event) => event.persisted && this.open());
    addEventListener("storage", (event) => event.key === KEY && this.state === "refused" && this.open());
    setInterval(() => this.watch(), 1000);
  }

  /** How long ago the last word came, in milliseconds. */
  get age() {
    // The one clock may have been set, the other one may have slept: whichever says more is right, but for a clock that
    // was set forward, which does no harm.
    return this.heard ? Math.max(Date.now() - this.heard, performance.now() - this.ticks, 0) : 0;
  }

  /** Connects, also with another token. */
  open() {
    clearTimeout(this.timer);
    this.drop();
    const known = token();
    const url = new URL("ws", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.hash = url.search = "";
    if (this.epoch !== null) url.search = new URLSearchParams({ epoch: this.epoch, since: this.seq });
    const socket = (this.socket = new WebSocket(url, known ? [`netwatchd.token.${known}`] : []));
    this.began = performance.now();
    socket.onmessage = (event) => socket === this.socket && this.read(event.data);
    socket.onclose = () => socket === this.socket && this.lose();
  }

  /** Has the daemon do something; resolves when it is done, and rejects with its sentence where it is not. */
  async act(op) {
    if (this.state !== "live") throw new Error("there is no connection to netwatchd now");
    return new Promise((resolve, reject) => {
      this.ping({ op: op.op, resolve, reject }, op);
    });
  }

  /**
   * Whether all that was done until now is stored: resolves to null, or to what there is to say of that, which takes the
   * daemon 5 s at most. What is asked together is asked once.
   */
  stored() {
    this.storing ??= new Promise((resolve) => {
      queueMicrotask(() => {
        this.storing = null;
        const waiting = { op: "stored", resolve: () => resolve(null) };
        waiting.reject = ({ message }) => resolve(waiting.isTold
          ? `not stored yet: ${message}. netwatchd keeps it in memory, and stores it as soon as it can.`
          : `whether that is stored is not known: ${message}.`);
        this.ping(waiting);
      });
    });
    return this.storing;
  }

  /** Sends an op, and a ping that is answered behind whatever is said to the op. */
  ping(waiting = { op: "ping", resolve() {}, reject() {} }, op = null) {
    this.waiting.push(waiting);
    waiting.timer = setTimeout(() => waiting.reject(new Error("netwatchd does not answer")), ANSWER);
    if (op) this.send(op);
    this.send(waiting.op === "stored" ? { op: "ping" } : { op: "ping", stored: false });
  }

  settle() {
    const waiting = this.waiting.shift();
    clearTimeout(waiting?.timer);
    if (waiting?.problem) waiting.reject(new Error(waiting.problem));
    else waiting?.resolve();
  }

  read(text) {
    let message = null;
    try {
      message = JSON.parse(text);
    } catch {
      // Nothing of the daemon's; what it was meant to be is told by the next snapshot.
    }
    if (typeof message?.type === "string") this.hear(message);
  }

  hear(message) {
    this.heard = Date.now();
    this.ticks = performance.now();
    this.asked = 0;
    if (message.type === "hello") {
      this.begin(message);
    } else if (message.type === "pong") {
      this.settle();
    } else if (message.type === "error") {
      const isDone = message.stored === false; // it is told behind which op it was not stored, and means all until then
      const op = isDone ? "stored" : message.op;
      const meant = this.waiting.find((waiting) => waiting.op === op && !waiting.problem);
      if (!meant) return;
      meant.isTold = true;
      meant.problem = isDone ? message.message.replace(DONE, "") : message.message;
    } else {
      this.count(message);
      this.take(message);
    }
  }

  begin(hello) {
    this.pause = FIRST_PAUSE;
    this.isBlocked = false;
    this.run = hello.epoch;
    this.server = hello.server;
    // Of another run, nothing is known until its snapshot is here: who is cut off before that begins anew.
    if (hello.epoch !== this.epoch) this.epoch = null;
    const isBack = this.heardOnce;
    this.heardOnce = true;
    this.become("live");
    if (isBack) this.dispatchEvent(new Event("back"));
  }

  count(message) {
    if (message.type === "snapshot") {
      clearTimeout(this.repair);
      this.repair = 0;
      this.isGapped = false;
      this.epoch = this.run;
      this.seq = message.seq;
    } else if (message.type === "gap") {
      this.isGapped = true;
      this.repair ||= setTimeout(() => this.mend(), REPAIR);
    } else if (Number.isSafeInteger(message.seq) && this.epoch !== null && !this.isGapped) {
      this.seq = message.seq;
    }
  }

  // What is missing comes by a snapshot, unless one followed the gap by itself.
  mend() {
    this.send({ op: "snapshot" });
    this.repair = setTimeout(() => this.mend(), REPAIR_AGAIN);
  }

  send(op) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(op));
  }

  watch() {
    const { age } = this;
    if (this.state !== "live") {
      // Where nothing answers at all, a browser waits for minutes.
      const isStuck = this.socket?.readyState === WebSocket.CONNECTING;
      if (isStuck && performance.now() - this.began > 2 * PATIENCE) this.lose();
    } else if (age > ASLEEP) {
      this.wake();
    } else if (age > SILENCE && !this.asked) {
      this.asked = performance.now();
      this.ping();
    } else if (this.asked && performance.now() - this.asked > PATIENCE) {
      this.lose();
    }
    this.dispatchEvent(new Event("second"));
  }

  /** Comes back now, and not after the pause: the user looks, or the network is there again. */
  hurry() {
    if (this.state === "live") this.watch();
    else if (this.state === "lost" && !(this.socket && performance.now() - this.began < PATIENCE)) this.open();
  }

  // Nothing was asked for meanwhile, also where the connection has outlived that.
  thaw() {
    this.hurry();
    if (this.state === "live") this.dispatchEvent(new Event("back"));
  }

  // After a sleep the old connection may look alive for minutes; a new one goes on where that was.
  wake() {
    this.giveUp();
    this.become("lost");
    this.open();
  }

  /** Ends the connection without an attempt to come back. */
  rest() {
    clearTimeout(this.timer);
    this.giveUp();
    if (this.state === "live") this.become("lost");
  }

  async lose() {
    this.giveUp();
    if (this.state === "live") this.become("lost");
    const told = await this.asks();
    if (this.socket) return; // somebody was in a hurry meanwhile
    this.isBlocked = told === 200 && this.pause > FIRST_PAUSE;
    if (told === 401) {
      this.become("refused");
      return;
    }
    this.become("lost");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
  }

  /** What the daemon says over HTTP, as a status, or 0: a browser does not tell why a WebSocket did not come about. */
  async asks() {
    const known = token();
    try {
      const headers = known ? { Authorization: `Bearer ${known}` } : {};
      return (await fetch("status", { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) })).status;
    } catch {
      return 0;
    }
  }

  giveUp() {
    this.drop();
    clearTimeout(this.repair);
    this.repair = this.asked = 0;
    for (const waiting of this.waiting) waiting.problem = "the connection was lost";
    while (this.waiting.length) this.settle();
  }

  drop() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
