// Says that something bad has begun, once, whatever view is shown; how many threats are open stands in the title.

import { announce, Budget, notice } from "./notice.js";
import { go, route } from "./route.js";
import { rank, SEVERITIES } from "./threatwords.js";

const BAD = SEVERITIES.indexOf("high");
const LONGEST = 120; // characters of a description
const SHOW_THEM = new Set([undefined, "overview", "threats"]); // views that show it by themselves

/** Tells of each threat that is new, or open again, or worse than it was, and is high or critical. */
export function watchThreats({ store }) {
  const told = new Map(); // how bad those are that are open, by id
  const budget = new Budget();
  let isBegun = false;
  store.listen((changed) => {
    if (!changed.has("threats")) return;
    const bad = [];
    for (const threat of store.threats.values()) {
      const before = told.get(threat.id) ?? -1;
      if (threat.status !== "open") told.delete(threat.id);
      else if (rank(threat) > before) {
        told.set(threat.id, rank(threat));
        if (isBegun && rank(threat) >= BAD) bad.push(threat);
      }
    }
    isBegun = true;
    if (bad.length) tell(bad, budget);
  });
}

function tell(bad, budget) {
  const before = budget.spend(performance.now());
  if (before === null) return;
  const text = sentence(bad);
  if (SHOW_THEM.has(route().view)) {
    announce(text, { asked: true });
    return;
  }
  const parts = bad.length === 1 ? { view: "threats", id: bad[0].id } : { view: "threats" };
  notice(text, { action: { text: "Look", do: () => go(parts) } });
}

function sentence(bad) {
  if (bad.length > 1) return `${bad.length.toLocaleString()} new threats, high or critical.`;
  const { severity, description } = bad[0];
  return `New threat, ${severity}: ${description.length > LONGEST ? `${description.slice(0, LONGEST)} …` : description}`;
}
