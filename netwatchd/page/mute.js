// How a threat is muted: by a line of config.ini, which belongs to the user, and is not written by netwatchd.

import { element, setText } from "./dom.js";
import { dialog } from "./notice.js";

const CHARACTERS = 36; // of a line in the dialog

/** Shows the line that mutes a threat, and how it comes to work; `dismiss()` puts the threat away meanwhile. */
export function showMute(threat, dismiss) {
  const said = element("p", { class: "visually-hidden", role: "status" });
  const away = element("button", { class: "button", type: "button", text: "Dismiss it for now" });
  away.hidden = threat.status === "dismissed";
  away.addEventListener("click", () => {
    node.close();
    dismiss();
  });
  const node = dialog("Mute it", [
    element("p", {
      text: "What you know and want can be muted: nothing is told, stored or alerted of it any more, only counted.",
    }),
    element("ol", { class: "steps" },
      element("li", {}, element("p", {}, "Put this line below ", element("code", { text: "[threats]" }),
        " into config.ini ",
        element("span", { class: "muted", text: "(mostly in /etc/netwatchd; add the section where there is none)" })),
      copied(threat.mute, "the line", said)),
      element("li", {}, element("p", { text: "Have netwatchd take it in:" }),
        copied("systemctl reload netwatchd", "the command", said))),
    element("p", {
      class: "muted small",
      text: "Then it is dismissed by itself, and everything else that the rule is about, too. Take the line out again " +
        "to hear of it again. It can be made wider: * stands for anybody.",
    }),
    said,
  ], [away]);
  node.showModal();
}

/** A line with a button that copies it. */
function copied(text, what, said) {
  const line = element("textarea", {
    class: "mono", readonly: true, value: text, "aria-label": capital(what), rows: Math.ceil(text.length / CHARACTERS),
    spellcheck: "false",
  });
  line.addEventListener("focus", () => line.select());
  const button = element("button", { class: "button", type: "button", text: "Copy", "aria-label": `Copy ${what}` });
  button.addEventListener("click", async () => {
    const isDone = await copy(text, line);
    setText(button, isDone ? "Copied" : "Press Ctrl+C");
    setText(said, isDone ? `${capital(what)} is copied.` : `${capital(what)} is selected; copy it by Ctrl+C.`);
  });
  return element("div", { class: "copy-line" }, line, button);
}

// Over plain HTTP from another machine, browsers have no clipboard for pages, but for what is selected.
async function copy(text, line) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    line.focus();
    line.select();
    return document.execCommand("copy");
  }
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
