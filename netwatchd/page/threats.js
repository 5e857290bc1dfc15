// All threats, with filters, and what to do about one.

import { element } from "./dom.js";

export class Threats {
  constructor(context) {
    this.context = context;
    this.title = "Threats";
    this.node = element("section", {}, element("h2", { text: this.title }));
  }

  show() {}

  hide() {}

  update() {}
}
