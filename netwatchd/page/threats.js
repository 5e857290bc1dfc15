// Threats: all of them with filters, or one with everything that is known of it (`id` in the URL).

import { element } from "./dom.js";
import { announce } from "./notice.js";
import { linkTo } from "./route.js";
import { ThreatList } from "./threatlist.js";
import { ThreatView } from "./threat.js";

export class Threats {
  constructor(context) {
    this.list = new ThreatList(context);
    this.one = new ThreatView(context);
    this.shown = null;
    this.left = { href: linkTo({ view: "threats" }), top: 0, id: null }; // where the list was left
    this.node = element("div");
  }

  get title() {
    return this.shown === this.one ? this.one.title : "Threats";
  }

  show(route) {
    const wanted = route.id === undefined ? this.list : this.one;
    const before = this.shown;
    if (wanted !== before) this.change(wanted);
    if (wanted === this.list) {
      this.left.href = linkTo(route);
      this.list.show(route);
    } else {
      this.left.id = route.id;
      this.one.show(route, this.left.href);
    }
    if (before && wanted !== before) this.arrive();
  }

  change(wanted) {
    if (this.shown === this.list) this.left.top = scrollY;
    this.shown?.hide();
    this.shown = wanted;
    this.node.replaceChildren(wanted.node);
  }

  // Within a view, nobody else says that something else is shown now.
  arrive() {
    if (this.shown === this.list) {
      scrollTo(0, this.left.top);
      const rows = [...this.list.list.rows.children];
      const row = rows.find((each) => each.dataset.key === this.left.id);
      (row?.querySelector(".row-link") ?? this.list.heading).focus({ preventScroll: true });
    } else {
      scrollTo(0, 0);
      this.one.heading.focus({ preventScroll: true });
    }
    announce(this.title, { asked: true });
  }

  hide() {
    this.shown?.hide();
    this.shown = null;
  }

  update(changed) {
    this.shown?.update(changed);
  }
}
