// The filters of flows: fields that show what stands in the URL, and change it.

import { element } from "./dom.js";
import { choose, Filters, label } from "./filters.js";

/** The names of the filters, as the URL and GET /api/flows have them. */
export const FILTERS = ["text", "device", "peer", "port", "protocol", "state", "since", "until"];

const PROTOCOLS = ["tcp", "udp", "icmp", "icmpv6"];
const STATES = {
  "new,active": "live", closed: "closed", reset: "reset", rejected: "rejected", attempt: "not answered",
  timeout: "timeout",
};
const TIMES = {
  "15 min": "the last 15 minutes", "1 h": "the last hour", "24 h": "the last 24 hours", "7 d": "the last 7 days",
};

export class FlowFilters extends Filters {
  constructor({ store }) {
    super("flow", store);
    this.fields = {
      text: this.input("text", { type: "search", placeholder: "name, address, port, ..." }),
      device: this.device(),
      peer: this.input("peer", { placeholder: "any", title: "an address, a network (192.0.2.0/24) or a device" }),
      port: this.input("port", { placeholder: "any", title: "443, or tcp/443" }),
      protocol: this.select("protocol", Object.fromEntries(PROTOCOLS.map((name) => [name, name]))),
      state: this.select("state", STATES),
      since: this.select("since", TIMES, "any time"),
      until: null,
    };
    this.from = this.moment("since");
    this.to = this.moment("until");
    this.exact = element("div", { class: "line exact", hidden: true }, label("From", this.from), label("To", this.to));
    this.fields.since.append(element("option", { value: "exact", text: "from ... to ..." }));
    this.isExact = false;
    this.node = element("div", { class: "flow-filters", role: "search", "aria-label": "Filter flows" },
      label("Search", this.fields.text, "wide"), label("Device", this.fields.device), label("Peer", this.fields.peer),
      label("Port", this.fields.port), label("Protocol", this.fields.protocol), label("State", this.fields.state),
      label("Time", this.fields.since), this.exact, this.names);
  }

  moment(name) {
    const node = element("input", { type: "datetime-local", name: `flow-${name}-exact` });
    node.addEventListener("change", () => this.set(name, node.value ? new Date(node.value).getTime() : null));
    return node;
  }

  showExact() {
    this.isExact = true;
    this.exact.hidden = false;
    this.from.focus();
  }

  set(name, value) {
    if (name === "since" && value === "exact") {
      this.showExact();
      return;
    }
    const isSpan = name === "since" && typeof value === "string";
    if (isSpan) this.isExact = false;
    super.set(name, value, { before: null, ...(isSpan && { until: null }) });
  }

  /** Takes the filters of the URL into the fields; the one that is typed into stays as it is. */
  show(route) {
    for (const [name, field] of Object.entries(this.fields)) {
      if (!field || field === document.activeElement) continue;
      const value = route[name] ?? "";
      if (name === "device") field.value = value && this.store.called(value);
      else if (name !== "since") choose(field, value);
    }
    const isExact = this.isExact || Boolean(route.until) || /^[0-9]{5,}$/.test(route.since ?? "");
    choose(this.fields.since, isExact ? "exact" : (route.since ?? ""));
    this.exact.hidden = !isExact;
    this.from.value = localText(route.since);
    this.to.value = localText(route.until);
  }
}

const LAST = 253_370_764_800_000; // of the year 9999: such fields take no later one

/** A moment (Unix ms, as text) as a field for local moments has it; an empty text where that cannot be. */
function localText(text) {
  if (!/^[0-9]{5,}$/.test(text ?? "") || Number(text) > LAST) return "";
  const when = new Date(Number(text));
  return new Date(when.getTime() - when.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
