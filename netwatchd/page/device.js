// Everything about one device: what it is, when it was here, what it moved and with whom, and what is wrong with it.
//
// `device` of the URL is its MAC, an address or a name; `range` the time that is looked at.

import { ask } from "./api.js";
import { actsOf } from "./deviceacts.js";
import { DeviceFacts } from "./devicefacts.js";
import { DeviceHistory } from "./devicehistory.js";
import { DeviceName } from "./devicename.js";
import { DeviceFlows, DeviceThreats } from "./devicepast.js";
import { whatItIs } from "./deviceitems.js";
import { element, setAttribute, setText } from "./dom.js";
import { ago, midnight, moment } from "./format.js";
import { kindIcon, kindName } from "./kinds.js";
import { findDevice } from "./matching.js";
import { menuButton } from "./menu.js";
import { linkTo } from "./route.js";
import { keyOf, nameOf } from "./store.js";
import { RANGES } from "./trafficdata.js";
import { badgesOf, isSame, unusualOf } from "./unusual.js";

const CHOICES = ["24h", "7d", "30d"];
const USUAL = "7d";
const PEERS = 10;
const PACE = 1000; // milliseconds between two looks at what has changed
const AGAIN = 60_000; // between two times of asking for the past
const SOON = 3_000; // where the past does not know yet what was done just now
const MOST_TRIES = 5;

export class DeviceView {
  constructor(context) {
    Object.assign(this, { context, store: context.store, device: null, portrait: null, timer: 0, tries: 0 });
    this.name = new DeviceName(context);
    this.facts = new DeviceFacts(context);
    this.history = new DeviceHistory(context);
    this.threats = new DeviceThreats(context);
    this.flows = new DeviceFlows(context);
    this.icon = element("div", { class: "device-icon" }, kindIcon("unknown"));
    this.state = element("span", { class: "dot" });
    this.what = element("span", { class: "muted" });
    this.badges = element("span", { class: "badges" });
    this.ranges = element("div", { class: "segments", role: "group", "aria-label": "Time" },
      CHOICES.map((range) => element("a", { dataset: { range }, text: RANGES[range].title })));
    const menu = menuButton("More", () => actsOf(this.device, context), { "aria-label": "More about this device" });
    this.problem = element("p", { class: "banner", dataset: { level: "medium" }, role: "status", hidden: true });
    this.said = element("div", { class: "empty", hidden: true });
    this.head = element("header", { class: "view-head device-head" }, this.icon,
      element("div", { class: "device-who" }, this.name.node,
        element("p", { class: "line small" }, this.state, this.what, this.badges)),
      element("div", { class: "view-tools" }, this.ranges, menu));
    this.body = element("div", { class: "device-grid" },
      element("div", { class: "device-column" }, this.facts.node, this.threats.node),
      element("div", { class: "device-column" }, this.history.presence, this.history.traffic, this.history.tops),
      this.flows.node);
    this.lost = element("h1", { class: "visually-hidden", text: "Device" });
    this.node = element("div", { class: "device" }, this.lost, this.problem, this.body, this.said);
    this.look = this.look.bind(this);
    context.connection.addEventListener("back", () => this.isShown && this.ask());
    context.connection.addEventListener("state", () => this.isShown && (this.failed ? this.ask() : this.plan()));
    document.addEventListener("visibilitychange", () => this.isShown && this.ask());
  }

  get title() {
    return this.device ? nameOf(this.device) : "Device";
  }

  show(route) {
    const range = CHOICES.includes(route.range) ? route.range : USUAL;
    const isOther = route.device !== this.wanted;
    const isNew = isOther || range !== this.range || !this.isShown;
    this.wanted = route.device;
    this.range = range;
    for (const way of this.ranges.children) {
      const name = way.dataset.range;
      way.href = linkTo({ view: "device", device: this.wanted, range: name === USUAL ? null : name });
      setAttribute(way, "aria-current", name === range ? "true" : null);
    }
    if (!this.isShown) {
      this.isShown = true;
      this.flows.start();
      this.again = setInterval(() => this.ask(), AGAIN);
    }
    if (isOther) this.clear();
    this.look();
    if (isNew && !isOther) this.ask(); // a device that is looked at for the first time is asked about by `look`
  }

  hide() {
    this.isShown = false;
    this.flows.stop();
    this.asked?.abort();
    clearInterval(this.again);
    clearTimeout(this.timer);
    this.timer = 0;
  }

  update(changed) {
    if (!this.device && changed.has("devices")) this.look();
    else if (["devices", "threats", "flows"].some((topic) => changed.has(topic))) this.plan();
  }

  plan() {
    this.timer ||= setTimeout(this.look, PACE);
  }

  clear() {
    this.asked?.abort(); // what was asked is of the device before
    this.device = this.portrait = this.failed = null;
    this.tries = 0;
    this.problem.hidden = true;
    if (this.name.isEditing) this.name.end();
    for (const part of [this.history, this.threats, this.flows]) part.clear();
  }

  look() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.isShown) return;
    const device = this.wanted ? findDevice(this.wanted, this.store) : null;
    const isFirst = device && !this.device;
    this.tellMissing(device);
    if (!device) return;
    this.device = device;
    this.showHead(device);
    this.facts.show(device, this.portrait);
    this.threats.show(device);
    this.flows.show(device);
    if (this.portrait) this.history.showPortrait(device, this.portrait, this.range);
    if (isFirst) this.ask();
  }

  showHead(device) {
    kindIcon(device.kind, this.icon.firstChild).setAttribute("title", kindName(device.kind));
    this.name.show(device);
    const isHere = device.status === "online";
    setAttribute(this.state, "class", isHere ? "dot on" : "dot off");
    setText(this.state, isHere ? `here${this.since()}` : `away${forAs(device.last_seen)}`);
    setAttribute(this.state, "title", `last seen ${moment(device.last_seen)}`);
    const what = [device.ip, whatItIs(device)].filter((text) => text && text !== nameOf(device));
    setText(this.what, what.join(" · "));
    const unusual = unusualOf(this.store).get(keyOf(device));
    if (!isSame(unusual, this.unusual)) this.badges.replaceChildren(...badgesOf(unusual));
    this.unusual = unusual;
  }

  since() {
    const latest = this.portrait?.sessions[0];
    return latest && latest.end === null ? forAs(latest.start) : "";
  }

  /** Asks for the past; two questions at a time are answered, so that they come one after the other. */
  async ask() {
    if (!this.device || document.visibilityState !== "visible") return;
    this.asked?.abort();
    const { signal } = (this.asked = new AbortController());
    const key = keyOf(this.device);
    const { range } = this;
    const portrait = async () => {
      const since = this.history.sinceOf(range);
      const found = await ask("device", { device: key, since, limit: PEERS, today: midnight() }, signal);
      if (!signal.aborted) this.portrait = found;
    };
    const parts = [portrait, () => this.threats.ask(key, signal), () => this.flows.ask(key, signal),
      () => this.history.ask(key, range, signal)];
    let failed = null;
    for (const part of parts) {
      try {
        await part();
      } catch (error) {
        failed = error;
      }
      if (signal.aborted) return;
      this.look();
    }
    this.failed = failed;
    this.problem.hidden = !failed;
    const why = failed && `Some of the past could not be asked, and is as it was or missing here: ${failed.message}.`;
    if (why) setText(this.problem, why);
    this.askAgain();
  }

  // What came, was merged or split a moment ago stands in the database a little later.
  askAgain() {
    const isKnown = this.portrait && [...this.portrait.macs].sort().join() === [...this.device.macs].sort().join();
    this.tries = isKnown ? 0 : this.tries + 1;
    clearTimeout(this.soon);
    if (!isKnown && this.tries <= MOST_TRIES) this.soon = setTimeout(() => this.isShown && this.ask(), SOON);
  }

  tellMissing(device) {
    const state = device ? "" : !this.context.connection.epoch ? "waiting" : this.device ? "gone" : "none";
    this.body.hidden = state !== "";
    this.said.hidden = !state;
    if (state) this.problem.hidden = true;
    // One heading of the first level: that of the device, or the one that stands for it.
    const [top, other] = state ? [this.lost, this.head] : [this.head, this.lost];
    if (!top.isConnected) other.replaceWith(top);
    if (state === this.saidState && this.saidOf === this.wanted) return;
    Object.assign(this, { saidState: state, saidOf: this.wanted });
    const [title, text] = {
      waiting: ["Connecting …", "The device comes as soon as netwatchd answers."],
      none: ["No such device is known",
        this.wanted ? `Nothing here is known by ${this.wanted}.` : "The address of this page names none."],
      gone: ["This device is no more", "It was forgotten, or is known to be another one. Seen again, it is new."],
    }[state] ?? ["", ""];
    this.said.className = state === "waiting" ? "empty loading" : "empty";
    this.said.replaceChildren(element("strong", { text: title }), element("p", { text }),
      element("a", { class: "button", href: linkTo({ view: "devices" }), text: "All devices" }));
  }
}

function forAs(since) {
  return ` for ${ago(since).replace(" ago", "").replace("just now", "a moment")}`;
}
