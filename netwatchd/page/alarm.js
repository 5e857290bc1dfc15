// Says that something bad has begun, once, whatever view is shown; how many threats are open stands in the title.

import { announce, Budget } from "./notice.js";
import { rank, SEVERITIES } from "./threatwords.js";

const BAD = SEVERITIES.indexOf("high");
const LONGEST = 120; // characters of a description

/** Tells of each threat that is new, or worse than it was, and is high or critical. */
export function watchThreats({ store }) {
  const told = new Map(); // how bad those are, or were, that were open, by id
  const budget = new Budget();
  let isBegun = false;
  store.listen((changed) => {
    if (!changed.has("threats")) return;
    const bad = [];
    for (const id of changed.get("threats")) {
      const threat = store.threats.get(id);
      if (!threat) continue;
      const before = told.get(threat.id) ?? -1;
      // What somebody has reopened is no news.
      if (threat.status === "open" && rank(threat) > before) {
        told.set(threat.id, rank(threat));
        if (isBegun && rank(threat) >= BAD) bad.push(threat);
      }
    }
    isBegun = true;
    // It has a budget of its own: what else was said must not keep it back.
    if (bad.length && budget.spend(performance.now()) !== null) announce(sentence(bad), { asked: true });
  });
}

function sentence(bad) {
  if (bad.length > 1) return `${bad.length.toLocaleString()} new threats, high or critical.`;
  const { severity, description } = bad[0];
  const text = description.length > LONGEST ? `${description.slice(0, LONGEST)} …` : description;
  return `New threat, ${severity}: ${text}`;
}
