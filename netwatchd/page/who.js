// The second section of the overview: the devices that are here.

import { element } from "./dom.js";

export class Who {
  constructor(context) {
    this.context = context;
    this.title = "Who is here?";
    this.node = element("section", {}, element("h2", { text: this.title }));
  }

  show() {}

  hide() {}

  update() {}
}
