// The filters of threats: fields that show what stands in the URL, and change it.

import { element, setAttribute } from "./dom.js";
import { choose, Filters, label, options } from "./filters.js";
import { linkTo, route } from "./route.js";
import { NEWS } from "./threatmatch.js";
import { kindName } from "./threatwords.js";

const STATUSES = { "": "Open", acknowledged: "Acknowledged", dismissed: "Dismissed", all: "All" };
const LEVELS = {
  low: "low and worse", medium: "medium and worse", high: "high and critical", critical: "critical",
  [NEWS]: "news only",
};
const TIMES = {
  "1 h": "the last hour", "24 h": "the last 24 hours", "7 d": "the last 7 days", "30 d": "the last 30 days",
};

export class ThreatFilters extends Filters {
  constructor({ store }) {
    super("threat", store);
    this.kinds = "";
    this.fields = {
      text: this.input("text", { type: "search", placeholder: "what it says, name, address, ..." }),
      severity: this.select("severity", LEVELS),
      kind: this.select("kind", {}),
      device: this.device(),
      since: this.select("since", TIMES, "any time"),
    };
    this.statuses = element("div", { class: "segments", role: "group", "aria-label": "Status" },
      Object.entries(STATUSES).map(([status, text]) => element("a", { href: "?", dataset: { status }, text })));
    this.node = element("div", { class: "threat-filters", role: "search", "aria-label": "Filter threats" },
      label("Search", this.fields.text), label("Severity", this.fields.severity), label("Kind", this.fields.kind),
      label("Device", this.fields.device), label("Seen", this.fields.since), this.names);
  }

  /** Takes the filters of the URL into the fields; the one that is typed into stays as it is. */
  show(filters) {
    for (const link of this.statuses.children) {
      const { status } = link.dataset;
      setAttribute(link, "href", linkTo({ ...route(), view: "threats", status }));
      setAttribute(link, "aria-current", status === (filters.status ?? "").replace(/^open$/, "") ? "true" : null);
    }
    for (const [name, field] of Object.entries(this.fields)) {
      if (field === document.activeElement && field.tagName !== "SELECT") continue;
      const value = filters[name] ?? "";
      choose(field, name === "device" && value ? this.store.called(value) : value);
    }
  }

  /** Has the kinds to choose from be these. */
  offer(kinds) {
    const sorted = [...kinds].sort((one, other) => kindName(one).localeCompare(kindName(other)));
    const key = sorted.join(" ");
    const { kind } = this.fields;
    if (key === this.kinds || kind === document.activeElement) return;
    this.kinds = key;
    const { value } = kind;
    kind.replaceChildren(...options(Object.fromEntries(sorted.map((each) => [each, kindName(each)])), "any"));
    choose(kind, value);
  }
}
