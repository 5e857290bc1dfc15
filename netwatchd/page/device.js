// Everything about one device.

import { element } from "./dom.js";

export class DeviceView {
  constructor(context) {
    this.context = context;
    this.title = "Device";
    this.node = element("section", {}, element("h2", { text: this.title }));
  }

  show() {}

  hide() {}

  update() {}
}
