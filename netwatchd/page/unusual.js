// What is unusual about devices: the worst open threat of each, and its news.

import { element } from "./dom.js";

const RANKS = ["info", "low", "medium", "high", "critical"];
const NEWS = {
  new_device: "new", device_back: "back after long", name_changed: "other name", ip_conflict: "address conflict",
};

/** What is unusual, by the keys of devices: `{severity, count, news}`; severity is null where there are only news. */
export function unusualOf(store) {
  const found = new Map();
  for (const threat of store.threats.values()) {
    if (threat.status !== "open") continue;
    const device = store.deviceOf(threat.device);
    if (!device) continue;
    const key = device.mac ?? device.ip;
    const known = found.get(key) ?? { severity: null, count: 0, news: null };
    if (threat.severity === "info") known.news ??= Object.hasOwn(NEWS, threat.kind) ? NEWS[threat.kind] : null;
    else {
      known.count += 1;
      if (RANKS.indexOf(threat.severity) > RANKS.indexOf(known.severity)) known.severity = threat.severity;
    }
    if (known.count || known.news) found.set(key, known);
  }
  return found;
}

/** Whether two such are the same. */
export function isSame(one, other) {
  return one === other || (one && other && one.severity === other.severity && one.count === other.count &&
    one.news === other.news);
}

/** How much it matters: the higher, the more. */
export function rankOf(unusual) {
  return unusual ? RANKS.indexOf(unusual.severity) * 2 + (unusual.news ? 1 : 0) + 2 : 0;
}

/** Badges that say it. */
export function badgesOf(unusual) {
  if (!unusual) return [];
  const { severity, count, news } = unusual;
  const threats = severity && element("span", {
    class: "badge severity", dataset: { severity }, title: count === 1 ? "an open threat" : `${count} open threats`,
  }, severity, count > 1 && ` ×${count}`,
  element("span", { class: "visually-hidden", text: count > 1 ? " threats" : " threat" }));
  return [threats, news && element("span", { class: "badge accent", text: news })].filter(Boolean);
}
