// What is known of a device: addresses, MACs, maker, why it is of its kind, its names, and the clues it has given.

import { element, setText } from "./dom.js";
import { ago, moment, size, time } from "./format.js";
import { kindName } from "./kinds.js";
import { otherMacs, split } from "./deviceacts.js";

const MOST = 12; // values of one kind of clue
// Clues by what people know of them; others are shown by their own word.
const CLUES = {
  hosts_name: "name in the hosts file", dhcp_hostname: "name in DHCP", mdns_name: "name in mDNS",
  mdns_instance: "name of an mDNS service", llmnr_name: "name in LLMNR", netbios_name: "name in NetBIOS",
  lldp_name: "name in LLDP", dns_name: "name in reverse DNS", hostname: "name as told",
  dhcp_vendor_class: "DHCP vendor class", dhcp_user_class: "DHCP user class", dhcp_client_id: "DHCP client id",
  dhcp_duid: "DHCP DUID", dhcp_parameters: "DHCP options", dhcp_parameters6: "DHCPv6 options", dhcp_mud: "DHCP MUD",
  mdns_service: "mDNS service", ssdp_type: "UPnP type", port: "port that answers", mdns_model: "model in mDNS",
  mdns_id: "id in mDNS", ssdp_server: "UPnP server", ssdp_uuid: "UPnP UUID", lldp_description: "LLDP",
  lldp_capability: "LLDP capability", cloud: "asks DNS for", http_agent: "HTTP agent", role: "role",
};

export class DeviceFacts {
  constructor(context) {
    this.context = context;
    this.facts = element("dl", { class: "facts" });
    this.evidence = element("ul", { class: "plain-list small" });
    this.why = element("div", { class: "stack" }, element("h3", { text: "Why it is of that kind" }), this.evidence);
    this.clues = element("dl", { class: "clues small" });
    this.cluesHolder = element("details", { class: "clues-holder" },
      element("summary", { text: "Names and clues" }), this.clues);
    this.node = element("section", { class: "card", "aria-labelledby": "device-about" },
      element("header", { class: "card-head" }, element("h2", { id: "device-about", text: "What it is" })),
      element("div", { class: "card-body stack" }, this.facts, this.why, this.cluesHolder));
  }

  /** Shows what is known; `portrait` is the answer of /api/device, where it is there. */
  show(device, portrait) {
    const text = JSON.stringify([device, portrait?.merged, portrait?.names, Math.floor(Date.now() / 60_000)]);
    if (text !== this.shown && !this.facts.contains(document.activeElement)) {
      this.shown = text;
      this.facts.replaceChildren(...this.factsOf(device, portrait).map(([name, value]) =>
        element("div", {}, element("dt", { text: name }), element("dd", {}, value))));
    }
    this.why.hidden = !device.evidence.length;
    const evidence = JSON.stringify(device.evidence);
    if (evidence !== this.evidenceShown) {
      this.evidenceShown = evidence;
      this.evidence.replaceChildren(...device.evidence.map((line) => element("li", { text: line })));
    }
    this.showClues(portrait);
  }

  factsOf(device, portrait) {
    const when = (at) => element("time", {
      datetime: new Date(at).toISOString(), title: moment(at), text: `${time(at)} (${ago(at)})`,
    });
    const kind = device.kind === "unknown" ? "not known" : kindName(device.kind);
    const mono = (text) => element("span", { class: "mono", text });
    return [
      ["Kind", device.model ? `${kind}, ${device.model}` : kind],
      ["Maker", device.vendor ?? "not known"],
      ["Addresses", device.ips.length ? lines(device.ips.map(mono)) : "none now"],
      [device.macs.length > 1 ? "MACs" : "MAC", device.mac ? lines(this.macs(device, portrait)) : "not known"],
      device.hostname && ["Calls itself", device.hostname],
      ["First seen", when(device.first_seen)],
      ["Last seen", when(device.last_seen)],
      ["Traffic in all", `${size(device.bytes_in)} down, ${size(device.bytes_out)} up`],
      ["Seen by", device.sources.join(", ") || "nobody yet"],
    ].filter(Boolean);
  }

  macs(device, portrait) {
    const merged = new Map((portrait?.merged ?? []).map((alias) => [alias.mac, alias]));
    const others = otherMacs(device);
    const own = element("span", {}, element("span", { class: "mono", text: device.mac }),
      device.random_mac && element("span", { class: "muted", text: " private, made up by the device" }));
    const apart = [...merged.values()].filter((alias) => alias.undone !== null && !others.includes(alias.mac));
    return [own, ...others.map((mac) => this.otherMac(device, mac, merged.get(mac))), ...apart.map((alias) =>
      element("span", { class: "muted", text: `${alias.mac} was told apart ${time(alias.undone)}` }))];
  }

  otherMac(device, mac, alias) {
    const button = element("button", {
      class: "button quiet small", type: "button", text: "Split", "aria-label": `Split ${mac} off`,
    });
    button.addEventListener("click", () => split(device, mac, this.context));
    const by = alias && `merged ${time(alias.time)} by ${alias.by === "user" ? "you" : alias.by}` +
      (alias.evidence.length ? `: ${alias.evidence.join("; ")}` : "");
    return element("span", {}, element("span", { class: "mono", text: mac }), " ", button,
      by && element("span", { class: "muted tiny merged-why", text: by }));
  }

  showClues(portrait) {
    const clues = portrait?.clues ?? [];
    this.cluesHolder.hidden = !clues.length;
    const text = JSON.stringify(clues);
    if (text === this.cluesShown || this.clues.contains(document.activeElement)) return;
    this.cluesShown = text;
    const kinds = new Map();
    for (const clue of [...clues].sort((one, other) => other.last_seen - one.last_seen)) {
      const values = kinds.get(clue.kind) ?? kinds.set(clue.kind, new Map()).get(clue.kind);
      if (!values.has(clue.value)) values.set(clue.value, clue);
    }
    setText(this.cluesHolder.firstChild, `Names and clues (${clues.length})`);
    this.clues.replaceChildren(...[...kinds].map(([kind, values]) => element("div", {},
      element("dt", { text: Object.hasOwn(CLUES, kind) ? CLUES[kind] : kind.replaceAll("_", " ") }),
      [...values.values()].slice(0, MOST).map((clue) => element("dd", {}, element("span", { text: clue.value }),
        element("span", {
          class: "muted tiny", title: moment(clue.last_seen), text: ` by ${clue.source}, ${ago(clue.last_seen)}`,
        }))),
      values.size > MOST && element("dd", { class: "muted", text: `and ${values.size - MOST} more` }))));
  }
}

function lines(nodes) {
  return nodes.map((node) => element("div", {}, node));
}
