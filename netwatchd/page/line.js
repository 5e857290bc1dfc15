// The third section of the overview: the throughput of the last minutes, and who moved most, with what.

import { element } from "./dom.js";

export class Line {
  constructor(context) {
    this.context = context;
    this.title = "Who is using the line?";
    this.node = element("section", {}, element("h2", { text: this.title }));
  }

  show() {}

  hide() {}

  update() {}
}
