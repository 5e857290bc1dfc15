// The second section of the overview: who is here, who came or left lately, and what is unusual about them.

import { element, reconcile, setAttribute, setText } from "./dom.js";
import { Items, minutesAgo, whatItIs } from "./deviceitems.js";
import { count, moment, size } from "./format.js";
import { historiesOf } from "./histories.js";
import { kindIcon, kindName } from "./kinds.js";
import { linkTo } from "./route.js";
import { activityText, showSparkline, sparkline, totals } from "./sparkline.js";
import { keyOf, nameOf } from "./store.js";
import { badgesOf, isSame, rankOf, unusualOf } from "./unusual.js";

const PACE = 1000; // milliseconds between two looks at what has changed
const MINUTE = 60_000;
const LATELY = 2 * 3_600_000; // milliseconds
const MOST = 60; // devices that are shown here; all of them are one click away
const MOST_LEFT = 5;
const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export class Who {
  constructor(context) {
    Object.assign(this, { context, store: context.store, title: "Who is here?", timer: 0, statuses: new Map() });
    this.histories = historiesOf(context);
    this.items = new Items(this.store, this.histories);
    this.number = element("strong");
    this.rest = element("span");
    this.answer = element("p", { class: "answer" }, this.number, this.rest);
    this.lately = element("p", { class: "muted small" });
    this.here = element("ul", { class: "rows who-rows", "aria-label": "Devices that are here" });
    this.more = element("a", { class: "who-more", href: linkTo({ view: "devices", online: "yes" }), hidden: true });
    this.leftHead = element("h3", { class: "who-left-head", text: "Left lately", hidden: true });
    this.left = element("ul", { class: "rows who-rows who-left", "aria-label": "Devices that left lately" });
    this.said = element("div", { class: "empty", hidden: true });
    this.node = element("section", { class: "who", "aria-labelledby": "who-title" },
      element("header", { class: "card-head" }, element("h2", { id: "who-title", text: this.title }),
        element("a", { href: linkTo({ view: "devices" }), text: "All devices" })),
      element("div", { class: "card-body flush who-body" },
        element("div", { class: "who-answer" }, this.answer, this.lately),
        this.here, this.more, this.leftHead, this.left, this.said));
    this.look = this.look.bind(this);
    context.connection.addEventListener("state", () => this.isShown && this.plan());
  }

  show() {
    if (this.isShown) return;
    this.isShown = true;
    this.unusual = null;
    this.histories.start();
    this.histories.addEventListener("change", this.look);
    this.minute = setInterval(this.look, MINUTE);
    this.look();
  }

  hide() {
    this.isShown = false;
    this.histories.stop();
    this.histories.removeEventListener("change", this.look);
    clearInterval(this.minute);
    clearTimeout(this.timer);
    this.timer = 0;
  }

  update(changed) {
    if (changed.has("threats")) this.unusual = null;
    // What is seen first is shown at once, and what follows now and then.
    if (!this.isDrawn && changed.has("devices")) this.look();
    else if (changed.has("devices") || changed.has("threats")) this.plan();
  }

  plan() {
    this.timer ||= setTimeout(this.look, PACE);
  }

  look() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.isShown) return;
    this.unusual ??= unusualOf(this.store);
    const now = Math.floor(Date.now() / MINUTE) * MINUTE + MINUTE - 1;
    const all = this.items.all(this.unusual, now);
    this.isDrawn = all.length > 0;
    this.watchStatuses(all);
    const here = all.filter(({ device }) => device.status === "online");
    const came = here.filter((item) => now - cameAt(item) < LATELY).sort((one, other) => cameAt(other) - cameAt(one));
    const left = all.filter(({ device }) => device.status !== "online" && now - device.last_seen < LATELY)
      .sort((one, other) => other.device.last_seen - one.device.last_seen);
    here.sort((one, other) => rankOf(other.unusual) - rankOf(one.unusual) ||
      names.compare(nameOf(one.device), nameOf(other.device)));
    this.tell(all, here, came, left, now);
    const fill = (row, item) => fillRow(row, item, this.histories);
    reconcile(this.here, here.slice(0, MOST), keyOfItem, makeRow, fill);
    reconcile(this.left, left.slice(0, MOST_LEFT), keyOfItem, makeRow, fill);
    this.leftHead.hidden = this.left.hidden = !left.length;
    this.more.hidden = here.length <= MOST;
    if (here.length > MOST) setText(this.more, `and ${count(here.length - MOST)} more that are here`);
  }

  // Who came or left has another history: it is asked for before its turn.
  watchStatuses(all) {
    const isFirst = !this.statuses.size;
    for (const { device } of all) {
      const key = keyOf(device);
      if (this.statuses.get(key) === device.status) continue;
      this.statuses.set(key, device.status);
      if (!isFirst) this.histories.hint();
    }
  }

  tell(all, here, came, left, now) {
    const isConnected = Boolean(this.context.connection.epoch);
    setText(this.number, isConnected ? count(here.length) : "");
    const devices = all.length === 1 ? "device is" : "devices are";
    setText(this.rest, isConnected ? ` of ${count(all.length)} ${devices} here.` : "");
    this.answer.hidden = !all.length;
    setText(this.lately, all.length ? latelyText(came, left, now) : "");
    const state = all.length ? "" : isConnected ? "nobody" : "waiting";
    this.said.hidden = !state;
    if (state === this.saidState) return;
    this.saidState = state;
    const [title, text] = {
      nobody: ["Nobody has been seen yet",
        "Devices appear as soon as a source sees one; the status tells which sources are on."],
      waiting: ["Connecting …", "The devices come as soon as netwatchd answers."],
    }[state] ?? ["", ""];
    this.said.className = state === "waiting" ? "empty loading" : "empty";
    this.said.replaceChildren(element("strong", { text: title }), element("p", { text }));
  }
}

const keyOfItem = ({ device }) => keyOf(device);

/** When a device that is here came (Unix ms); 0 is not known. */
function cameAt({ sessions }) {
  const latest = sessions?.[0];
  return latest && latest.end === null ? latest.start : 0;
}

function latelyText(came, left, now) {
  const some = (items, word, when) => {
    if (!items.length) return "";
    const [first] = items;
    const others = items.length > 1 ? ` and ${count(items.length - 1)} more` : "";
    return `${nameOf(first.device)} ${word} ${minutesAgo(when(first), now)}${others}.`;
  };
  const texts = [some(came, "came", cameAt), some(left, "left", ({ device }) => device.last_seen)].filter(Boolean);
  return texts.join(" ") || "Nobody came or left in the last two hours.";
}

function makeRow() {
  return element("li", { class: "row who-row" }, kindIcon("unknown"),
    element("div", { class: "row-main" },
      element("div", { class: "who-name" }, element("a", { class: "row-link clip" }),
        element("span", { class: "badges" })),
      element("p", { class: "muted tiny clip" })),
    sparkline(), element("span", { class: "row-side who-side" }, element("span"), element("span", { class: "tiny" })));
}

function fillRow(row, item, histories) {
  if (row.item === item) return;
  const { device, unusual, activity, now } = item;
  const [shown, main, spark, side] = row.children;
  const isHere = device.status === "online";
  kindIcon(device.kind, shown).setAttribute("title", kindName(device.kind));
  const [name, what] = main.children;
  const [link, badges] = name.children;
  setAttribute(link, "href", linkTo({ view: "device", device: keyOf(device) }));
  setText(link, nameOf(device));
  if (!isSame(row.item?.unusual, unusual)) badges.replaceChildren(...badgesOf(unusual));
  setText(what, [device.ip, whatItIs(device)].filter((text) => text && text !== nameOf(device)).join(" · "));
  showSparkline(spark, activity && totals(activity), activityText(activity, histories.since));
  const moved = activity ? activity.bytes_in_today + activity.bytes_out_today : 0;
  const came = cameAt(item);
  const time = !isHere ? `left ${minutesAgo(device.last_seen, now)}` : now - came < LATELY ? `came ${minutesAgo(came, now)}` : "";
  setText(side.firstChild, item.isTold ? `${size(moved)} today` : "");
  setText(side.lastChild, time);
  const since = came ? `here since ${moment(came)}` : null;
  setAttribute(side, "title", isHere ? since : `last seen ${moment(device.last_seen)}`);
  row.item = item;
}
