// The traffic of the past: days, hours, and who moved most of it.

import { element } from "./dom.js";

export class Traffic {
  constructor(context) {
    this.context = context;
    this.title = "Traffic";
    this.node = element("section", {}, element("h2", { text: this.title }));
  }

  show() {}

  hide() {}

  update() {}
}
