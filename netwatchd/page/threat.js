// One threat: what happened, what it means, what to do, the numbers that decided, and what was made of it.

import { ask } from "./api.js";
import { element, setAttribute, setText } from "./dom.js";
import { evidenceTable } from "./evidence.js";
import { count, moment, span, time } from "./format.js";
import { buttonsFor, fillButtons, judgingOf } from "./judging.js";
import { linkTo } from "./route.js";
import { agoNode, calledSo, capital, flowsLink, kindName, setAgo, setSeverity, severityBadge, tick, whoNode }
  from "./threatwords.js";

const AGAIN = 2000; // milliseconds, after which what is not stored yet is asked for once more
const TRIES = 3;
const TICK = 10; // seconds

export class ThreatView {
  constructor(context) {
    Object.assign(this, { context, store: context.store, threat: null, meaning: null, id: null, seconds: 0 });
    this.judging = judgingOf(context);
    this.judging.addEventListener("busy", () => this.draw());
    this.heading = element("h1", { tabindex: "-1", text: "Threat" });
    this.badge = severityBadge();
    this.status = element("span", { class: "badge" });
    this.back = element("a", { class: "small", href: linkTo({ view: "threats" }), text: "All threats" });
    this.buttons = buttonsFor(() => this.threat, this.judging, { isSmall: false });
    this.what = element("p", { class: "answer" });
    this.facts = element("dl", { class: "facts" });
    this.evidence = element("div", { class: "list-scroll", tabindex: "0", role: "group", "aria-label": "Evidence" });
    this.history = element("ul", { class: "rows small" });
    this.advice = element("p");
    this.means = element("p", { class: "muted" });
    this.cards = {
      what: card("What happened", "threat-what", [this.what, this.means, this.facts], "stack"),
      advice: card("What to do", "threat-advice", [this.advice], "stack"),
      evidence: card("The numbers that decided", "threat-evidence", [this.evidence], "flush"),
      history: card("What became of it", "threat-history", [this.history], "flush"),
    };
    this.said = element("div", { class: "empty card" });
    const { what, advice, evidence, history } = this.cards;
    this.body = element("div", { class: "threat-body" }, element("div", { class: "threat-side" }, what, evidence),
      element("div", { class: "threat-side" }, advice, history));
    this.signs = element("span", { class: "line" }, this.badge, this.status);
    this.node = element("article", { class: "threat" },
      element("p", { class: "threat-back" }, this.back),
      element("header", { class: "view-head" }, this.heading, this.signs,
        element("div", { class: "view-tools" }, this.buttons)),
      this.said, this.body);
    context.connection.addEventListener("state", () => {
      if (this.isShown && context.connection.state === "live") this.ask();
    });
    context.connection.addEventListener("second", () => this.second());
  }

  get title() {
    return this.threat ? titleOf(this.threat, this.store) : "Threat";
  }

  show(route, back) {
    setAttribute(this.back, "href", back);
    this.isShown = true;
    if (route.id !== this.id) {
      this.id = route.id;
      this.threat = this.asked = this.failed = this.drawn = null;
      this.meaning = null;
      this.tries = 0;
      this.ask();
    }
    this.take();
    this.draw();
  }

  hide() {
    this.isShown = false;
    this.id = null;
    clearTimeout(this.timer);
    this.asking?.abort();
  }

  update(changed) {
    if (!this.isShown) return;
    if (changed.has("threats")) this.take();
    if (changed.has("devices")) this.isNamed = false;
    if (changed.has("threats")) this.draw();
  }

  second() {
    if (!this.isShown) return;
    this.seconds += 1;
    if (this.seconds % TICK === 0) tick(this.node);
    if (this.isNamed === false) {
      this.drawn = null;
      this.draw();
    }
    this.isNamed = true;
  }

  // What is told live is the latest; others are as they were asked for.
  take() {
    this.threat = this.store.threats.get(Number(this.id)) ?? this.asked ?? this.threat;
  }

  async ask() {
    clearTimeout(this.timer);
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    this.tries += 1;
    try {
      const found = await ask("threat", { id: this.id }, asking.signal);
      if (asking.signal.aborted) return;
      this.failed = null;
      this.asked = found;
      this.meaning = found.meaning;
    } catch (error) {
      if (asking.signal.aborted) return;
      this.failed = error;
      // A threat that has just been told is stored a moment later.
      if (error.status === 404 && this.tries < TRIES) this.timer = setTimeout(() => this.ask(), AGAIN);
    }
    this.take();
    this.drawn = null;
    this.draw();
  }

  draw() {
    const { threat } = this;
    const isThere = threat !== null;
    this.body.hidden = this.buttons.hidden = this.signs.hidden = !isThere;
    this.tellEmpty(isThere);
    setText(this.heading, this.title);
    if (!isThere) return;
    const used = this.buttons.querySelector(":focus");
    fillButtons(this.buttons, threat, this.judging);
    // Who has used a button that does not fit any more goes on from the top, and is not left nowhere.
    if (used?.hidden) this.heading.focus({ preventScroll: true });
    const isMine = this.judging.isMine(threat);
    if (this.drawn === threat && this.isMine === isMine) return;
    Object.assign(this, { drawn: threat, isMine });
    setSeverity(this.badge, threat.severity);
    setText(this.status, threat.status);
    setText(this.what, `${threat.description}${/[.!?]$/.test(threat.description) ? "" : "."}`);
    this.means.hidden = !this.meaning;
    setText(this.means, this.meaning ?? "");
    this.cards.advice.hidden = !threat.recommendation;
    setText(this.advice, threat.recommendation ? `${capital(threat.recommendation)}.`.replace(/([.!?])\.$/, "$1") : "");
    this.tellFacts(threat);
    const evidence = evidenceTable(threat, this.store);
    this.cards.evidence.hidden = !evidence;
    this.evidence.replaceChildren(...[evidence].filter(Boolean));
    const lines = historyOf(threat, isMine);
    this.cards.history.hidden = !lines.length;
    this.history.replaceChildren(...lines.map((line) => element("li", { class: "row" }, element("span", {}, line))));
  }

  tellEmpty(isThere) {
    const why = this.failed?.status === 404 ? "none" : `failed ${this.failed?.message}`;
    const state = isThere ? "" : this.failed ? why : "asking";
    this.said.hidden = !state;
    if (this.saidState === state) return;
    this.saidState = state;
    const say = (title, text, ...more) => [element("strong", { text: title }), element("p", { text }), ...more];
    this.said.className = { asking: "empty loading card", none: "empty card" }[state] ?? "empty error card";
    setAttribute(this.said, "role", state && state !== "asking" ? "alert" : null);
    const again = element("button", { class: "button", type: "button", text: "Try again" });
    again.addEventListener("click", () => this.ask());
    this.said.replaceChildren(...{
      "": () => [],
      asking: () => [element("p", { text: "Looking it up …" })],
      none: () => say("There is no such threat",
        "It may have been removed: threats are kept for a year, unless config.ini says otherwise.",
        element("a", { class: "button", href: linkTo({ view: "threats", status: "all" }), text: "All threats" })),
    }[state]?.() ?? say("It could not be looked up", `${capital(this.failed.message)}.`, again));
  }

  tellFacts(threat) {
    const { store } = this;
    const flows = flowsLink(threat, store);
    const lasted = threat.last_seen - threat.first_seen;
    const times = threat.count === 1 ? "once" : `${count(threat.count)} times`;
    const alike = linkTo({ view: "threats", status: "all", kind: threat.kind });
    const facts = [
      ["Who", threat.device ? whoNode(threat.device, store) : "nobody in particular"],
      threat.target && ["Whom, or what", whoNode(threat.target, store)],
      ["First seen", when(threat.first_seen)],
      ["Last seen", when(threat.last_seen)],
      ["How often", lasted > 1000 ? `${times}, over ${span(lasted)}` : times],
      ["Kind", element("a", { href: alike, text: kindName(threat.kind) })],
      ["Number", String(threat.id)],
      flows && ["Flows", element("a", { href: flows, text: "The flows of that time" })],
    ].filter(Boolean);
    this.facts.replaceChildren(...facts.map(([name, value]) => element("div", {},
      element("dt", { text: name }), element("dd", {}, value))));
  }
}

function titleOf(threat, store) {
  const who = threat.device ? `: ${calledSo(threat.device, store)}` : "";
  return `${capital(kindName(threat.kind))}${who}`;
}

function when(milliseconds) {
  const node = agoNode();
  setAgo(node, milliseconds);
  return element("span", { title: moment(milliseconds) }, `${time(milliseconds)} (`, node, ")");
}

/**
 * How often it has happened, and what became of it, in sentences; `isMine`: its status was given to it here. Notes may be
 * anything: others write evidence, too.
 */
export function historyOf(threat, isMine = false) {
  const { evidence } = threat;
  const notes = isObject(evidence.netwatchd) ? evidence.netwatchd : {};
  const lines = [];
  if (Number.isInteger(notes.happenings)) {
    lines.push(`It has happened ${count(notes.happenings)} times, the last time since ${timeText(notes.began)}.`);
  }
  for (const past of Array.isArray(notes.earlier) ? notes.earlier.filter(isObject) : []) {
    const times = Number.isInteger(past.count) && past.count > 1 ? `, ${count(past.count)} times` : "";
    lines.push(`Earlier: ${timeText(past.first_seen)} to ${timeText(past.last_seen)}${times}`);
  }
  const { judged, before } = notes;
  if (isObject(judged)) lines.push(`${said(judged, isMine ? "You" : "Somebody")}.`);
  if (isObject(before)) lines.push(`${said(before)}; it is open again.`);
  if (typeof notes.muted_by === "string") lines.push(`The rule “${notes.muted_by}” of config.ini has put it away.`);
  if (typeof evidence.taken_back === "string") lines.push(`netwatchd has taken it back: ${evidence.taken_back}`);
  return lines;
}

function said({ status, severity, time: when }, who = "Somebody") {
  return `${who} ${status} it ${timeText(when)}, when it was ${severity}`;
}

function timeText(value) {
  return Number.isInteger(value) ? time(value) : "?";
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function card(title, id, body, more) {
  return element("section", { class: "card", "aria-labelledby": id },
    element("header", { class: "card-head" }, element("h2", { id, text: title })),
    element("div", { class: `card-body ${more}` }, body));
}
