// One box that searches devices, threats and flows. What is known is found at once, the past is asked for meanwhile.

import { ask } from "./api.js";
import { element, setText } from "./dom.js";
import { size, time } from "./format.js";
import { formsOf } from "./matching.js";
import { announce } from "./notice.js";
import { go, linkTo } from "./route.js";
import { keyOf, nameOf } from "./store.js";

const PAUSE = 250; // milliseconds after the last letter before the past is asked
const SHORTEST = 2; // letters that are worth asking the past for
const MOST = { devices: 6, threats: 5, flows: 5 };
const SEVERITIES = ["info", "low", "medium", "high", "critical"];

/** Whether each word of a search stands in one of the texts. */
export function matches(words, texts) {
  const all = texts.filter(Boolean).join("\n").toLowerCase();
  return words.every((word) => formsOf(word).some((form) => all.includes(form)));
}

/** The words that are searched for. */
function wordsOf(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

export class Search {
  constructor({ store }) {
    Object.assign(this, { store, asked: null, timer: 0, past: {}, at: -1, wanted: "" });
    this.input = element("input", {
      type: "search", role: "combobox", "aria-label": "Search devices, threats and flows", placeholder: "Search",
      "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list", autocomplete: "off",
      spellcheck: "false", enterkeyhint: "search", title: "Search devices, threats and flows (/)", maxlength: "200",
    });
    this.list = element("div", { class: "found", id: "found", role: "listbox", "aria-label": "Found", hidden: true });
    this.node = element("search", { class: "search" }, this.input, this.list);
    this.input.addEventListener("input", () => this.look());
    this.input.addEventListener("focus", () => this.input.value && this.look());
    this.input.addEventListener("keydown", (event) => this.press(event));
    this.node.addEventListener("focusout", (event) => !this.node.contains(event.relatedTarget) && this.close());
    // A click on what was found must not take the focus first: the list would be gone.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    addEventListener("route", () => this.close());
  }

  /** Puts the cursor into the box. */
  focus() {
    this.input.focus();
    this.input.select();
  }

  look() {
    const text = this.input.value.trim();
    if (text === this.wanted && !this.list.hidden) return;
    this.wanted = text;
    this.past = {};
    this.asked?.abort();
    clearTimeout(this.timer);
    if (!text) {
      this.close();
      return;
    }
    if (text.length >= SHORTEST) this.timer = setTimeout(() => this.askPast(text), PAUSE);
    this.show();
  }

  async askPast(text) {
    const asked = (this.asked = new AbortController());
    this.past = { waits: true };
    this.show();
    const [flows, threats] = await Promise.all([
      ask("flows", { text, limit: MOST.flows }, asked.signal).catch(() => null),
      ask("threats", { text, status: "all", limit: MOST.threats * 2 }, asked.signal).catch(() => null),
    ]);
    if (asked.signal.aborted || this.asked !== asked) return;
    this.past = { flows: flows ?? [], threats: threats ?? [], failed: !flows || !threats };
    this.show(true);
  }

  /** All that is found: groups of `{title, href, text, more}`. */
  find() {
    const words = wordsOf(this.wanted);
    return [
      { title: "Devices", items: this.findDevices(words) },
      { title: "Threats", items: this.findThreats(words) },
      { title: "Flows", items: (this.past.flows ?? []).slice(0, MOST.flows).map((flow) => this.flowItem(flow)) },
      {
        title: "Everything",
        items: [
          { text: `All devices with “${this.wanted}”`, href: linkTo({ view: "devices", text: this.wanted }) },
          { text: `All flows with “${this.wanted}”`, href: linkTo({ view: "flows", text: this.wanted }) },
        ],
      },
    ].filter((group) => group.items.length);
  }

  findDevices(words) {
    const found = [];
    for (const device of this.store.devices.values()) {
      const { name, hostname, vendor, model, kind, ips, macs, mac, ip } = device;
      if (!matches(words, [name, hostname, vendor, model, kind, ip, mac, ...ips, ...macs])) continue;
      // Whose name begins so is meant before whose vendor has it somewhere; who is here before who is not.
      const begins = nameOf(device).toLowerCase().startsWith(words[0]);
      found.push({ device, rank: (begins ? 0 : 2) + (device.status === "online" ? 0 : 1) });
    }
    found.sort((one, other) => one.rank - other.rank || nameOf(one.device).localeCompare(nameOf(other.device)));
    return found.slice(0, MOST.devices).map(({ device }) => ({
      text: nameOf(device),
      more: [device.ip, device.vendor, device.status].filter(Boolean).join(" · "),
      href: linkTo({ view: "device", device: keyOf(device) }),
    }));
  }

  findThreats(words) {
    const found = new Map((this.past.threats ?? []).map((threat) => [threat.id, threat]));
    for (const threat of this.store.threats.values()) {
      const texts = [threat.kind, threat.kind.replaceAll("_", " "), threat.severity, threat.device, threat.target,
        threat.description, threat.recommendation, this.store.called(threat.device)];
      if (matches(words, texts)) found.set(threat.id, threat);
    }
    const rank = (threat) => (threat.status === "open" ? 10 : 0) + SEVERITIES.indexOf(threat.severity);
    const sorted = [...found.values()].sort((one, other) => rank(other) - rank(one) || other.last_seen - one.last_seen);
    return sorted.slice(0, MOST.threats).map((threat) => ({
      text: threat.description,
      more: [threat.severity, threat.status, time(threat.last_seen)].join(" · "),
      href: linkTo({ view: "threats", id: threat.id }),
    }));
  }

  flowItem(flow) {
    const [from, to] = [this.store.called(flow.src_ip), this.store.called(flow.dst_ip)];
    return {
      text: `${from} → ${to}, ${flow.protocol}/${flow.dst_port}`,
      more: `${time(flow.start)} · ${size(flow.bytes_in + flow.bytes_out)}`,
      href: linkTo({ view: "flows", text: this.wanted, before: flow.id + 1 }),
    };
  }

  show(isAnswer = false) {
    const groups = this.find();
    let number = 0;
    const nodes = groups.map((group, place) => element("div", { role: "group", "aria-labelledby": `found-${place}` },
      element("p", { class: "menu-title", id: `found-${place}`, role: "presentation", text: group.title }),
      group.items.map((item) => this.option(item, (number += 1)))));
    const said = this.past.waits ? "Asking the past …"
      : this.past.failed ? "The past could not be asked; this is what is known here." : "";
    this.list.replaceChildren(...nodes, ...(said ? [element("p", { class: "menu-title", text: said })] : []));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.choose(-1);
    if (isAnswer) announce(`${number - 2} found`, { asked: true });
  }

  option(item, number) {
    return element("a", {
      class: "menu-item found-item", role: "option", id: `found-item-${number}`, href: item.href, tabindex: "-1",
      "aria-selected": "false",
    }, element("span", { class: "clip", text: item.text }),
    item.more && element("span", { class: "clip muted tiny", text: item.more }));
  }

  get options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  choose(at) {
    this.at = at;
    this.options.forEach((option, place) => option.setAttribute("aria-selected", String(place === at)));
    const chosen = this.options[at];
    if (chosen) {
      this.input.setAttribute("aria-activedescendant", chosen.id);
      chosen.scrollIntoView({ block: "nearest" });
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  press(event) {
    const { length } = this.list.hidden ? [] : this.options;
    if (event.key === "Escape") {
      if (this.list.hidden) this.input.blur();
      this.close();
    } else if (event.key === "Enter") {
      this.open(this.options[Math.max(this.at, 0)]);
    } else if (event.key === "ArrowDown" && length) {
      this.choose((this.at + 1) % length);
    } else if (event.key === "ArrowUp" && length) {
      this.choose((Math.max(this.at, 0) - 1 + length) % length);
    } else {
      return;
    }
    event.preventDefault();
  }

  open(option) {
    if (!option || this.list.hidden) return;
    const parts = Object.fromEntries(new URL(option.href).searchParams);
    this.input.blur();
    go(parts);
  }

  close() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    setText(this.list, "");
  }
}
