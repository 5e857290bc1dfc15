// The latest flows, with filters.

import { element } from "./dom.js";

export class Flows {
  constructor(context) {
    this.context = context;
    this.title = "Flows";
    this.node = element("section", {}, element("h2", { text: this.title }));
  }

  show() {}

  hide() {}

  update() {}
}
