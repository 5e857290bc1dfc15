// Views that are not needed at first are loaded when they are shown for the first time.

import { element } from "./dom.js";

/** A view as app.js wants one, whose class `load()` brings (a promise of it); `title` is its name until then. */
export function lazily(title, load) {
  return class {
    constructor(context) {
      Object.assign(this, { context, view: null, isShown: false, isAsked: false });
      this.node = element("div", {}, element("div", { class: "empty loading" }, element("p", { text: "Loading …" })));
    }

    get title() {
      return this.view?.title ?? title;
    }

    show(route) {
      this.isShown = true;
      if (this.view) this.view.show(route);
      else if (!this.isAsked) this.fetch();
    }

    hide() {
      this.isShown = false;
      this.view?.hide();
    }

    update(changed) {
      this.view?.update(changed);
    }

    async fetch() {
      this.isAsked = true;
      try {
        const View = await load();
        this.view = new View(this.context);
        this.node.replaceChildren(this.view.node);
        if (this.isShown) dispatchEvent(new Event("route"));
      } catch {
        this.isAsked = false;
        const again = element("button", { class: "button", type: "button", text: "Try again" });
        again.addEventListener("click", () => this.fetch());
        this.node.replaceChildren(element("div", { class: "empty error", role: "alert" },
          element("strong", { text: "This part of the page could not be loaded" }),
          element("p", { text: "Is netwatchd running, and the network there?" }), again));
      }
    }
  };
}
