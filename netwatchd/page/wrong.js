// The first section of the overview: the open threats, the worst first, or that there are none.

import { element } from "./dom.js";

export class Wrong {
  constructor(context) {
    this.context = context;
    this.title = "Is anything wrong?";
    this.node = element("section", {}, element("h2", { text: this.title }));
  }

  show() {}

  hide() {}

  update() {}
}
