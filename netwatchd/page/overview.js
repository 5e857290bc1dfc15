// The first screen, in the order in which people ask: is anything wrong? who is here? who is using the line, with what?

import { element } from "./dom.js";
import { Wrong } from "./wrong.js";
import { Who } from "./who.js";
import { Line } from "./line.js";

export class Overview {
  constructor(context) {
    this.title = "Overview";
    this.sections = [new Wrong(context), new Who(context), new Line(context)];
    for (const { node } of this.sections) node.classList.add("card");
    this.node = element("div", { class: "overview" },
      element("h1", { class: "visually-hidden", text: this.title }),
      element("div", { class: "overview-sections" }, this.sections.map((section) => section.node)));
  }

  show(route) {
    for (const section of this.sections) section.show(route);
  }

  hide() {
    for (const section of this.sections) section.hide();
  }

  update(changed) {
    for (const section of this.sections) section.update(changed);
  }
}
