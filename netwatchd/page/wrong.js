// The first section of the overview: the open threats, the worst first, or that there are none, and how that is known.

import { ask, askStatus } from "./api.js";
import { calmOf } from "./calm.js";
import { element, reconcile, setAttribute, setText } from "./dom.js";
import { judgingOf, keepingFocus } from "./judging.js";
import { linkTo } from "./route.js";
import { newsRow, newsText, threatRow, fillNews, fillThreat } from "./wrongrows.js";
import { isNews, SEVERITIES, tick, worstFirst } from "./threatwords.js";
import { troublesOf } from "./troubles.js";

const MOST = 25; // threats that are shown here
const FEW = 4; // where this section does not scroll within itself
const MOST_NEWS = 5;
const REPORT = 30_000; // milliseconds between two looks at what the daemon tells of itself
const TICK = 10; // seconds
const DAY = 86_400_000;
const PACE = 500; // milliseconds: what follows sooner than that is shown together
const long = matchMedia("(min-width: 62rem) and (min-height: 40rem)"); // as page.css has it

export class Wrong {
  constructor(context) {
    Object.assign(this, { context, store: context.store, connection: context.connection, status: null, past: null });
    this.title = "Is anything wrong?";
    this.judging = judgingOf(context);
    this.judging.addEventListener("busy", () => this.draw());
    this.answer = element("p", { class: "answer", tabindex: "-1" });
    this.troubles = element("ul", { class: "troubles", "aria-label": "Troubles of netwatchd" });
    this.rows = element("ul", { class: "rows wrong-rows", "aria-label": "Open threats, the worst first" });
    this.more = element("p", { class: "small wrong-more" });
    this.calm = element("div", { class: "calm small muted" });
    this.news = this.newsPart();
    this.node = element("section", { class: "wrong", "aria-labelledby": "wrong" },
      element("header", { class: "card-head" }, element("h2", { id: "wrong", text: this.title }),
        element("a", { href: linkTo({ view: "threats" }), text: "All threats" })),
      element("div", { class: "wrong-answer" }, this.answer, this.troubles),
      element("div", { class: "card-body flush" }, this.rows, this.more, this.calm, this.news));
    this.connection.addEventListener("state", () => {
      if (this.connection.state === "live") this.askedAt = 0;
      this.draw();
    });
    this.connection.addEventListener("second", () => this.second());
    long.addEventListener("change", () => this.draw());
    this.seconds = 0;
    this.askedAt = 0;
    this.askedPastAt = 0;
    this.draw();
  }

  newsPart() {
    this.newsTitle = element("h3");
    this.newsRows = element("ul", { class: "news-rows" });
    this.newsAll = element("a", {
      href: linkTo({ view: "threats", severity: "news" }), class: "button small quiet", text: "Show all",
    });
    const dismiss = element("button", { class: "button small quiet", type: "button", text: "Dismiss all" });
    dismiss.addEventListener("click", () => {
      this.answer.focus({ preventScroll: true });
      this.judging.judge(this.openOnes().filter(isNews), "dismiss");
    });
    return element("div", { class: "wrong-news", hidden: true },
      element("div", { class: "line" }, this.newsTitle, element("span", { class: "grow" }), this.newsAll, dismiss),
      this.newsRows);
  }

  show() {
    this.isShown = true;
    this.look();
    this.draw();
  }

  hide() {
    this.isShown = false;
    clearTimeout(this.timer);
    this.timer = 0;
  }

  update(changed) {
    // Why the database is in trouble, or no more, is in the report.
    const { state } = this.store.stats.database ?? {};
    if (this.database && state !== this.database) this.askedAt = 0;
    this.database = state;
    // It is asked for when the last open one goes, if it was not before.
    if (changed.has("stats") || (changed.has("threats") && !this.past)) this.look();
    if (["threats", "stats", "devices"].some((topic) => changed.has(topic))) this.drawSoon();
  }

  drawSoon() {
    const pause = this.drawnAt + PACE - performance.now();
    if (pause <= 0) this.draw();
    else this.timer ||= setTimeout(() => this.draw(), pause);
  }

  second() {
    if (!this.isShown) return;
    this.seconds += 1;
    if (this.connection.state === "lost") this.draw();
    if (this.seconds % TICK === 0) tick(this.node);
  }

  openOnes() {
    return [...this.store.threats.values()].filter((threat) => threat.status === "open").sort(worstFirst);
  }

  /** Asks what does not come by itself: the daemon's own report, and what has been before. */
  async look() {
    if (!this.isShown || this.connection.state !== "live") return;
    const now = Date.now();
    if (now - this.askedAt >= REPORT) {
      this.askedAt = now;
      try {
        this.status = await askStatus();
      } catch {
        this.status = null; // then nothing is said of it
      }
      this.draw();
    }
    if (now - this.askedPastAt >= REPORT && !this.openOnes().some((threat) => !isNews(threat))) {
      this.askedPastAt = now;
      try {
        const since = now - 30 * DAY;
        this.past = await ask("threats", { status: "acknowledged,dismissed", severity: "low", since, limit: 500 });
      } catch {
        this.past = null;
      }
      this.draw();
    }
  }

  get most() {
    return long.matches ? MOST : FEW;
  }

  draw() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.drawnAt = performance.now();
    const open = this.openOnes();
    const [threats, news] = [open.filter((threat) => !isNews(threat)), open.filter(isNews)];
    const troubles = troublesOf(this.store.stats, this.status);
    const isKnown = this.store.stats.uptime !== undefined;
    const { text, state } = verdict({ threats, troubles, isKnown, connection: this.connection.state });
    setAttribute(this.node, "data-state", state);
    if (this.answer.textContent !== text) this.answer.textContent = text;
    reconcile(this.troubles, troubles, (trouble) => trouble.key, troubleRow, fillTrouble);
    keepingFocus(this.rows, this.answer, () => {
      reconcile(this.rows, threats.slice(0, this.most), (threat) => threat.id,
        (threat) => threatRow(threat, this.store, this.judging),
        (node, threat) => fillThreat(node, threat, this.store, this.judging));
    });
    this.rows.hidden = !threats.length;
    this.tellMore(threats.length);
    this.tellNews(news);
    const isCalm = isKnown && !threats.length;
    this.calm.hidden = !isCalm;
    if (isCalm) calmOf(this.calm, { stats: this.store.stats, status: this.status, past: this.pastNow(), troubles });
  }

  // What was asked for may have changed since, and others were judged.
  pastNow() {
    if (!this.past) return null;
    const known = new Map(this.past.map((threat) => [threat.id, threat]));
    for (const threat of this.store.threats.values()) {
      if (known.has(threat.id) || !isNews(threat)) known.set(threat.id, threat);
    }
    return [...known.values()].filter((threat) => threat.status !== "open");
  }

  tellMore(length) {
    this.more.hidden = length <= this.most;
    if (this.more.hidden) return;
    const text = `${(length - this.most).toLocaleString()} more are open`;
    if (this.more.textContent === text) return;
    this.more.replaceChildren(element("a", { href: linkTo({ view: "threats" }), text }));
  }

  tellNews(news) {
    this.news.hidden = !news.length;
    setText(this.newsTitle, news.length === 1 ? "One piece of news" : `${news.length.toLocaleString()} pieces of news`);
    setAttribute(this.newsTitle, "title", newsText(news));
    this.newsAll.hidden = news.length <= MOST_NEWS;
    keepingFocus(this.newsRows, this.answer, () => {
      reconcile(this.newsRows, news.slice(0, MOST_NEWS), (threat) => threat.id,
        (threat) => newsRow(threat, this.judging), (node, threat) => fillNews(node, threat, this.judging));
    });
  }
}

/** The sentence that answers, and its `state`: `unknown`, `calm`, `trouble`, or the severity of the worst threat. */
export function verdict({ threats, troubles, isKnown, connection }) {
  if (!isKnown) {
    const why = { refused: "Not known: a token is needed.", lost: "Not known: netwatchd does not answer." };
    return { text: why[connection] ?? "Looking …", state: "unknown" };
  }
  const was = connection === "live" ? "is" : "was";
  const since = connection === "live" ? "" : " when netwatchd was last heard";
  if (threats.length) {
    const { severity } = threats[0];
    const many = threats.length === 1 ? `One threat ${was} open${since}` :
      `${threats.length.toLocaleString()} threats ${was === "is" ? "are" : "were"} open${since}`;
    const worst = threats.length === 1 ? `, and it is ${severity}` : `; the worst is ${severity}`;
    return { text: `${many}${worst}.`, state: severity };
  }
  if (troubles.length) {
    return { text: `No threat ${was} open${since}, but netwatchd has trouble of its own.`, state: "trouble" };
  }
  return { text: `Nothing ${was} wrong${since}.`, state: connection === "live" ? "calm" : "unknown" };
}

function troubleRow() {
  return element("li", {}, element("span", { class: "sign", "aria-hidden": "true" }), element("span"), " ",
    element("a", { href: linkTo({ view: "status" }), text: "Status" }));
}

function fillTrouble(node, trouble) {
  setAttribute(node, "data-severity", SEVERITIES.includes(trouble.level) ? trouble.level : "medium");
  setText(node.children[1], trouble.text);
}
