// Fields that show the filters of the URL, and change it: what the views of flows, threats and devices share.

import { element } from "./dom.js";
import { findDevice } from "./matching.js";
import { change } from "./route.js";
import { keyOf, nameOf } from "./store.js";

const PAUSE = 350; // milliseconds after the last letter

export class Filters {
  /** `what` is in the names of the fields: "flow", "threat". */
  constructor(what, store) {
    Object.assign(this, { what, store, timer: 0 });
    this.names = element("datalist", { id: `${what}-devices` });
  }

  input(name, attributes) {
    const node = element("input", {
      type: "text", name: `${this.what}-${name}`, autocomplete: "off", spellcheck: "false", maxlength: 200,
      ...attributes,
    });
    node.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.set(name, node.value), PAUSE);
    });
    node.addEventListener("change", () => this.set(name, node.value));
    return node;
  }

  /** The devices that are known, to choose from while one is typed. */
  device() {
    const node = this.input("device", { list: this.names.id, placeholder: "any" });
    node.addEventListener("focus", () => this.listDevices());
    return node;
  }

  select(name, choices, any = "any") {
    const node = element("select", { name: `${this.what}-${name}` }, options(choices, any));
    node.addEventListener("change", () => this.set(name, node.value));
    return node;
  }

  /** Has the URL say so; `parts` go with it. */
  set(name, value, parts = {}) {
    clearTimeout(this.timer);
    const text = typeof value === "string" ? value.trim() : value;
    const device = name === "device" && text ? findDevice(text, this.store) : null;
    change({ [name]: device ? keyOf(device) : text, ...parts });
  }

  listDevices() {
    const names = new Set([...this.store.devices.values()].map(nameOf));
    const sorted = [...names].sort((one, other) => one.localeCompare(other));
    this.names.replaceChildren(...sorted.map((value) => element("option", { value })));
  }
}

export function options(choices, any) {
  return [["", any], ...Object.entries(choices)].map(([value, text]) => element("option", { value, text }));
}

export function label(text, field, more = "") {
  return element("label", { class: `field ${more}` }, element("span", { text }), field);
}

/** Sets a field; what a select does not have is added to it, with its `text`. */
export function choose(field, value, text = value) {
  if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) {
    field.append(element("option", { value, text }));
  }
  if (field.value !== value) field.value = value;
}
