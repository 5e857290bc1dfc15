// Asks for the token where the daemon wants one.

import { element } from "./dom.js";
import { dialog } from "./notice.js";
import { canBeToken, isKeptForGood, keep, token } from "./token.js";

let connection = null;
let open = null;

/** Has the dialog come whenever the daemon refuses this browser, and go when it does not any more. */
export function watchLogin(watched) {
  connection = watched;
  connection.addEventListener("state", turn);
  turn();
}

function turn() {
  if (connection.state === "refused") openLogin();
  else if (connection.state === "live") open?.node.close();
  else if (connection.state === "lost") open?.wait();
}

/** Shows the dialog; where it is there already, says that the token was wrong. */
export function openLogin() {
  if (open) {
    open.answer();
    return;
  }
  const input = element("input", {
    type: "password", name: "token", autocomplete: "current-password", required: true, spellcheck: "false",
    "aria-describedby": "login-hint login-problem",
  });
  const forGood = element("input", { type: "checkbox", checked: isKeptForGood() });
  const wrong = element("p", { class: "problem", id: "login-problem", role: "alert" });
  const button = element("button", { class: "button primary", type: "submit", text: "Connect" });
  const form = element("form", { class: "stack", method: "dialog" },
    element("p", { text: "This netwatchd answers only who shows its token." }),
    element("label", { class: "field" }, element("span", { text: "Token" }), input,
      element("span", {
        class: "hint", id: "login-hint",
        text: "It is the line token = ... below [websocket] in config.ini on the machine where netwatchd runs.",
      })),
    wrong,
    element("label", { class: "check" }, forGood, element("span", { text: "Keep it on this device" })),
    element("div", { class: "buttons" }, button));
  const node = dialog("A token is needed", form);
  const answer = (text = "That is not the token of this netwatchd.") => {
    button.disabled = false;
    input.setAttribute("aria-invalid", "true");
    wrong.textContent = text;
    input.select();
  };
  const wait = () => {
    button.disabled = false;
    wrong.textContent = "There is no answer now; it is tried again by itself. Who has shown several wrong tokens " +
      "has to wait for a while.";
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = input.value.trim();
    if (!canBeToken(given)) {
      answer("That is no token: it has 8 or more letters, digits, and . _ ~ - only.");
      return;
    }
    keep(given, forGood.checked);
    wrong.textContent = "";
    input.removeAttribute("aria-invalid");
    button.disabled = true;
    connection.open();
  });
  node.addEventListener("close", () => (open = null));
  open = { node, answer, wait };
  // A token that is kept, or came by the address, was tried already.
  if (token()) wrong.textContent = "The token that this browser has is not, or no longer, the one of this netwatchd.";
  node.showModal();
  input.focus();
}
