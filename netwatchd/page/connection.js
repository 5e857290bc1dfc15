// The WebSocket: comes back after a loss, goes on where it was, and says how old is what is shown.
//
// A message counts as taken when it was handed on. Who was away asks for what was missed (`resume`); where that is gone,
// the daemon says so by a gap and sends a snapshot. What a gap leaves out otherwise is asked for by a snapshot.

import { token } from "./token.js";

const FIRST_PAUSE = 500; // milliseconds before the first attempt to come back, doubled each time
const LONGEST_PAUSE = 15_000;
const SILENCE = 12_000; // without a word for so long (statistics come every 5 s), the daemon is asked whether it is there
const PATIENCE = 5_000; // for its answer
const ANSWER = 5_000; // for what the daemon says to an op

/** States: `connecting`, `live`, `lost` (it will come back), `refused` (it wants a token). */
export class Connection extends EventTarget {
  /** `take(message)` is given each message, once and in order. */
  constructor(take) {
    super();
    this.take = take;
    this.state = "connecting";
    this.heard = 0; // when the last word came, Unix ms
    this.epoch = null;
    this.seq = 0;
    this.pause = FIRST_PAUSE;
    this.timer = 0;
    this.socket = null;
    this.waiting = []; // what was asked and not answered, in order: each op is followed by a ping, and is done at its pong
    addEventListener("online", () => this.hurry());
    addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.hurry());
    addEventListener("pageshow", () => this.hurry());
    setInterval(() => this.watch(), 1000);
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
    socket.onmessage = (event) => socket === this.socket && this.hear(JSON.parse(event.data));
    socket.onclose = () => socket === this.socket && this.lose();
  }

  /** Has the daemon do something; resolves when it is done, and rejects with its sentence where it is not. */
  async act(op) {
    if (this.state !== "live") throw new Error("there is no connection to netwatchd now");
    return new Promise((resolve, reject) => {
      this.ping({ op: op.op, resolve, reject }, op);
    });
  }

  /** Sends an op, and a ping that is answered behind whatever is said to the op. */
  ping(waiting = { op: "ping", resolve() {}, reject() {} }, op = null) {
    this.waiting.push(waiting);
    waiting.timer = setTimeout(() => waiting.reject(new Error("netwatchd does not answer")), ANSWER);
    if (op) this.send(op);
    this.send({ op: "ping" });
  }

  settle() {
    const waiting = this.waiting.shift();
    clearTimeout(waiting?.timer);
    if (waiting?.problem) waiting.reject(new Error(waiting.problem));
    else waiting?.resolve();
  }

  hear(message) {
    this.heard = Date.now();
    this.asked = 0;
    if (message.type === "hello") {
      this.begin(message);
    } else if (message.type === "pong") {
      this.settle();
    } else if (message.type === "error") {
      const refused = this.waiting.find((waiting) => waiting.op === message.op && !waiting.problem);
      if (refused) refused.problem = message.message;
    } else {
      this.count(message);
      this.take(message);
    }
  }

  begin(hello) {
    this.pause = FIRST_PAUSE;
    if (hello.epoch !== this.epoch) {
      this.epoch = hello.epoch;
      this.seq = hello.seq;
    }
    this.server = hello.server;
    this.become("live");
  }

  count(message) {
    if (message.type === "gap") {
      // Unless a snapshot follows by itself, what is missing comes by one.
      clearTimeout(this.repair);
      this.repair = setTimeout(() => this.send({ op: "snapshot" }), 1000);
    } else if (message.type === "snapshot") {
      clearTimeout(this.repair);
    }
    this.seq = message.seq;
  }

  send(op) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(op));
  }

  watch() {
    const silence = Date.now() - this.heard;
    if (this.state === "live" && silence > SILENCE) {
      if (!this.asked) {
        this.asked = Date.now();
        this.ping();
      } else if (Date.now() - this.asked > PATIENCE) this.lose();
    }
    this.dispatchEvent(new Event("second"));
  }

  /** Comes back now, and not after the pause: the user looks, or the network is there again. */
  hurry() {
    if (this.state === "lost") this.open();
  }

  async lose() {
    this.drop();
    for (const waiting of this.waiting) waiting.problem = "the connection was lost";
    while (this.waiting.length) this.settle();
    if (await this.isRefused()) {
      this.become("refused");
      return;
    }
    this.become("lost");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
  }

  /** Whether it is the token: a browser does not tell why a WebSocket did not come about. */
  async isRefused() {
    const known = token();
    try {
      const headers = known ? { Authorization: `Bearer ${known}` } : {};
      const reply = await fetch("status", { headers, signal: AbortSignal.timeout(PATIENCE) });
      return reply.status === 401;
    } catch {
      return false;
    }
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
