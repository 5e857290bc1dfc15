// The rows of the overview's first section: threats with what to do, and news.

import { element, setText } from "./dom.js";
import { buttonsFor, fillButtons } from "./judging.js";
import { agoNode, capital, fillWho, kindName, often, setAgo, setSeverity, severityBadge, threatLink }
  from "./threatwords.js";

/** A threat in a sentence, with what to do, who, when and how often, and the buttons. */
export function threatRow(threat, store, judging) {
  const row = element("li", { class: "row wrong-row" });
  const buttons = buttonsFor(() => row.threat, judging);
  row.parts = {
    badge: severityBadge(threat.severity),
    link: element("a", { class: "row-link", href: threatLink(threat) }),
    advice: element("p", { class: "small advice" }),
    kind: element("span"), who: element("span"), when: agoNode(), times: element("span"), buttons,
  };
  const { badge, link, advice, kind, who, when, times } = row.parts;
  row.append(badge, element("div", { class: "row-main" },
    element("p", { class: "what" }, link), advice,
    element("p", { class: "small muted facts-line" }, kind, who, when, times)), buttons);
  fillThreat(row, threat, store, judging);
  return row;
}

/** Brings such a row up to date. */
export function fillThreat(row, threat, store, judging) {
  const { badge, link, advice, kind, who, when, times, buttons } = row.parts;
  row.threat = threat;
  setSeverity(badge, threat.severity);
  setText(link, threat.description);
  advice.hidden = !threat.recommendation;
  setText(advice, threat.recommendation ? `${capital(threat.recommendation)}.`.replace(/([.!?])\.$/, "$1") : "");
  setText(kind, kindName(threat.kind));
  fillWho(who, threat, store);
  setAgo(when, threat.last_seen);
  setText(times, often(threat.count));
  fillButtons(buttons, threat, judging);
}

/** A piece of news in one line. */
export function newsRow(threat, judging) {
  const row = element("li", { class: "news-row small" });
  const dismiss = element("button", {
    class: "button small quiet icon-only", type: "button", text: "×", dataset: { act: "dismiss" },
    onclick: () => judging.judge([row.threat], "dismiss"),
  });
  row.parts = { link: element("a", { href: threatLink(threat) }), when: agoNode(), dismiss };
  row.append(element("span", { class: "grow clip" }, row.parts.link), row.parts.when, dismiss);
  return row;
}

/** Brings such a line up to date. */
export function fillNews(row, threat, judging) {
  const { link, when, dismiss } = row.parts;
  row.threat = threat;
  setText(link, threat.description);
  setAgo(when, threat.last_seen);
  const text = `Dismiss: ${threat.description}`;
  if (dismiss.getAttribute("aria-label") !== text) dismiss.setAttribute("aria-label", text);
  if (judging.busy.has(threat.id)) dismiss.setAttribute("aria-disabled", "true");
  else dismiss.removeAttribute("aria-disabled");
}

/** What kinds of news there are: `3 new device, 1 name changed`. */
export function newsText(news) {
  const counts = new Map();
  for (const { kind } of news) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, number]) => `${number} ${kindName(kind)}`).join(", ");
}
