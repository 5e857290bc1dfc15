// The name of a device as the heading of its view, edited where it stands.

import { element, setText } from "./dom.js";
import { announce } from "./notice.js";
import { receipt } from "./receipt.js";
import { keyOf, nameOf } from "./store.js";

const LONGEST = 100; // characters, as the daemon takes them

export class DeviceName {
  constructor({ store, connection }) {
    Object.assign(this, { store, connection, device: null, isEditing: false });
    this.heading = element("h1");
    this.edit = element("button", { class: "button quiet small", type: "button", text: "Rename" });
    this.edit.addEventListener("click", () => this.begin());
    this.input = element("input", {
      type: "text", name: "device-name", maxlength: LONGEST, autocomplete: "off", spellcheck: "false",
      "aria-label": "Name of this device", "aria-describedby": "device-name-hint device-name-problem",
    });
    this.save = element("button", { class: "button primary", type: "submit", text: "Save" });
    const cancel = element("button", { class: "button", type: "button", text: "Cancel" });
    cancel.addEventListener("click", () => this.end());
    this.hint = element("span", { class: "hint", id: "device-name-hint" });
    this.problem = element("span", { class: "problem", id: "device-name-problem", role: "alert" });
    this.form = element("form", { class: "name-form", hidden: true },
      element("div", { class: "field name-line" }, this.input, this.save, cancel), this.hint, this.problem);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      this.end();
    });
    this.node = element("div", { class: "device-name" }, this.heading, this.edit, this.form);
  }

  /** Shows the name of a device; what somebody types meanwhile stays. */
  show(device) {
    if (this.isEditing && keyOf(device) !== keyOf(this.device)) this.end();
    this.device = device;
    setText(this.heading, nameOf(device));
    this.edit.setAttribute("aria-label", `Rename ${nameOf(device)}`);
  }

  begin() {
    const { name, hostname } = this.device;
    this.isEditing = true;
    this.input.value = name ?? "";
    this.input.placeholder = nameOf({ ...this.device, name: null });
    setText(this.hint, hostname
      ? `Empty: it is called as it calls itself, ${hostname}.` : "Empty: it has no name of yours.");
    this.tell("");
    this.form.hidden = false;
    this.heading.classList.add("visually-hidden");
    this.edit.hidden = true;
    this.input.focus();
    this.input.select();
  }

  end() {
    const hadFocus = this.form.contains(document.activeElement);
    this.isEditing = false;
    this.form.hidden = true;
    this.heading.classList.remove("visually-hidden");
    this.edit.hidden = false;
    if (hadFocus) this.edit.focus();
  }

  async send() {
    if (this.save.disabled) return;
    const key = keyOf(this.device);
    const name = this.input.value.trim() || null;
    if (name === this.device.name) {
      this.end();
      return;
    }
    this.save.disabled = true;
    this.tell("");
    try {
      await this.connection.act({ op: "name", device: key, name });
      if (keyOf(this.device) === key && this.isEditing) this.end();
      announce(this.result(key, name), { asked: true });
      receipt(this.connection, "Renamed");
    } catch (error) {
      this.tell(`It was not renamed: ${error.message}.`);
      this.input.focus();
    } finally {
      this.save.disabled = false;
    }
  }

  /** What a screen reader is told, and that others are called so, too. */
  result(key, name) {
    if (!name) return "It has no name of yours any more.";
    const same = [...this.store.devices.values()].some((device) =>
      keyOf(device) !== key && device.name?.toLowerCase() === name.toLowerCase());
    return `It is called ${name} now.${same ? " Another device is called so, too." : ""}`;
  }

  tell(text) {
    setText(this.problem, text);
    this.input.setAttribute("aria-invalid", String(Boolean(text)));
  }
}
