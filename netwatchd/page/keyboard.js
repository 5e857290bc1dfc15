// Ways by keyboard alone, and the dialog that tells them.

import { element } from "./dom.js";
import { forget, keep, kept } from "./kept.js";
import { dialog } from "./notice.js";
import { go } from "./route.js";

const KEPT = "netwatchd.keys"; // "off": single keys do nothing, as those need it who dictate (WCAG 2.2, 2.1.4)
const GOES = { o: "overview", t: "threats", d: "devices", f: "flows", r: "traffic", s: "status" };
const PATIENCE = 1500; // milliseconds between g and what follows
const ROWS = ".row-link, [data-row]";

const KEYS = [
  [["/"], "search"],
  [["g", "o"], "overview"],
  [["g", "t"], "threats"],
  [["g", "d"], "devices"],
  [["g", "f"], "flows"],
  [["g", "r"], "traffic"],
  [["g", "s"], "status of netwatchd"],
  [["j"], "next row of a list"],
  [["k"], "the row before"],
  [["Enter"], "open the row"],
  [["Esc"], "close what is open; leave the search"],
  [["?"], "this help"],
];

let open = null;

/** Has keys work everywhere. `search` has `focus()`. */
export function watchKeys({ search }) {
  let leader = 0; // when g was pressed
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isOff()) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const isSecond = event.timeStamp - leader < PATIENCE;
    leader = 0;
    if (isSecond && event.key in GOES) {
      go({ view: GOES[event.key] === "overview" ? null : GOES[event.key] });
    } else if (event.key === "g") {
      leader = event.timeStamp;
      return;
    } else if (event.key === "/") {
      search.focus();
    } else if (event.key === "?") {
      showHelp();
    } else if (event.key === "j" || event.key === "k") {
      walk(event.key === "j" ? 1 : -1);
    } else {
      return;
    }
    event.preventDefault();
  });
}

/** Tells the keys, and what else is good to know. */
export function showHelp() {
  if (open) return;
  const isOn = element("input", { type: "checkbox", checked: !isOff() });
  isOn.addEventListener("change", () => {
    if (isOn.checked) forget(KEPT);
    else keep(KEPT, "off");
  });
  open = dialog("Help", [
    element("h3", { text: "Keys" }),
    element("dl", { class: "keys" }, KEYS.map(([keys, text]) => element("div", {},
      element("dt", {}, keys.flatMap((key, place) => [place > 0 && " ", element("kbd", { text: key })])),
      element("dd", { text })))),
    element("label", { class: "check" }, isOn, element("span", { text: "Single keys do this" })),
    element("h3", { text: "Good to know" }),
    element("ul", { class: "hints" },
      element("li", { text: "What you filter stands in the address: copy it to share what you see, or bookmark it." }),
      element("li", { text: "Each list can be exported as it is shown, for spreadsheets (CSV) or programs (JSON)." }),
      element("li", { text: "Times are those of your zone; rest on one for the exact moment." }),
      element("li", { text: "Names that you give, and what you make of threats, are the same for everybody who looks." })),
  ]);
  open.addEventListener("close", () => (open = null));
  open.showModal();
}

function isOff() {
  return kept(KEPT) === "off";
}

function isTyping(target) {
  const { type = "text" } = target;
  if (target.matches?.("textarea, select, [contenteditable=true]")) return true;
  return target.matches?.("input") && !["checkbox", "radio", "button", "range"].includes(type);
}

/** To the next row of the list in which the focus is, else of the first one that is seen. */
function walk(step) {
  const rows = [...document.querySelectorAll(`main :is(${ROWS})`)].filter((row) => row.checkVisibility?.() ?? true);
  if (!rows.length) return;
  const current = document.activeElement?.closest?.("tr, li, [data-row]");
  const at = rows.findIndex((row) => row === document.activeElement || (current && current.contains(row)));
  if (at >= 0) rows[Math.min(Math.max(at + step, 0), rows.length - 1)].focus();
  else (rows.find((row) => row.getBoundingClientRect().top > 0) ?? rows[0]).focus();
}
