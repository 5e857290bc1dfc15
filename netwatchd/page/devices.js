// All devices, with filters.

import { element } from "./dom.js";

export class Devices {
  constructor(context) {
    this.context = context;
    this.title = "Devices";
    this.node = element("section", {}, element("h2", { text: this.title }));
  }

  show() {}

  hide() {}

  update() {}
}
