// How a threat is shown: as a row of a list, and in exports.

import { element, setAttribute, setText } from "./dom.js";
import { timeColumn } from "./export.js";
import { count } from "./format.js";
import { buttonsFor, fillButtons } from "./judging.js";
import { agoNode, fillWho, kindName, setAgo, setSeverity, severityBadge, threatLink } from "./threatwords.js";

/** The columns of a List of threats; `view` is the ThreatList: what is chosen, and who judges. */
export function threatColumns(view) {
  return [
    {
      title: "Choose", class: "choose",
      make: () => {
        const box = element("input", { type: "checkbox" });
        box.addEventListener("change", () => view.choose([box.closest("tr").item], box.checked));
        return element("label", { class: "check" }, box);
      },
      fill: (cell, threat) => {
        const box = cell.querySelector("input");
        box.checked = view.chosen.has(threat.id);
        setAttribute(box, "aria-label", `Choose: ${threat.description}`);
        cell.parentElement.classList.toggle("chosen", box.checked);
      },
    },
    {
      title: "Severity", class: "level", sort: "severity",
      make: () => [severityBadge(), element("span", { class: "muted tiny second" })],
      fill: (cell, threat) => {
        setSeverity(cell.firstElementChild, threat.severity);
        setText(cell.lastElementChild, kindName(threat.kind));
      },
    },
    {
      title: "What", isHead: true, class: "what",
      make: (threat) => element("a", { class: "row-link", href: threatLink(threat) }),
      fill: (cell, threat) => setText(cell.firstElementChild, threat.description),
    },
    {
      title: "Who", class: "who", sort: "who", falls: false,
      make: () => element("div"),
      fill: (cell, threat) => fillWho(cell.firstElementChild, threat, view.store),
    },
    {
      title: "Seen", class: "numbers seen", sort: "last",
      make: agoNode, fill: (cell, threat) => setAgo(cell.firstElementChild, threat.last_seen),
    },
    {
      title: "Times", class: "numbers times", sort: "times",
      fill: (cell, threat) => setText(cell, count(threat.count)),
    },
    {
      title: "Status", class: "actions",
      make: () => [
        element("span", { class: "badge" }),
        buttonsFor((button) => button.closest("tr").item, view.judging, { canMute: false }),
      ],
      fill: (cell, threat) => {
        const [badge, buttons] = cell.children;
        badge.hidden = threat.status === "open";
        setText(badge, threat.status);
        fillButtons(buttons, threat, view.judging);
      },
    },
  ];
}

/** The columns of an export of threats. */
export function threatExport(store) {
  const called = (field) => ({
    name: `${field}_name`,
    value: (threat) => (threat[field] && store.deviceOf(threat[field]) ? store.called(threat[field]) : null),
  });
  return [
    { name: "id" }, timeColumn("first_seen"), timeColumn("last_seen"), { name: "severity" }, { name: "kind" },
    { name: "status" }, { name: "device" }, called("device"), { name: "target" }, { name: "count" },
    { name: "description" }, { name: "recommendation" },
  ];
}
