// What is around every view: the name, the ways to the views, whether what is shown is live, the search, the theme.

import { element, setText } from "./dom.js";
import { ago } from "./format.js";
import { linkTo } from "./route.js";

const WAYS = { overview: "Overview", threats: "Threats", devices: "Devices", flows: "Flows", traffic: "Traffic" };

export class Shell {
  constructor(context) {
    this.context = context;
    this.state = element("p", { class: "state", role: "status" });
    this.ways = element("nav", { "aria-label": "Views" }, Object.entries(WAYS).map(([name, text]) =>
      element("a", { href: linkTo({ view: name === "overview" ? null : name }), dataset: { view: name }, text })));
    this.main = element("main", { id: "main", tabindex: "-1" });
    document.body.append(element("header", {}, element("strong", { text: "netwatchd" }), this.ways, this.state), this.main);
    context.connection.addEventListener("state", () => this.tell());
    context.connection.addEventListener("second", () => this.tell());
    this.tell();
  }

  /** Shows a view; `isOther`: another one than before. */
  show(view, route, isOther) {
    if (isOther) this.main.replaceChildren(view.node);
    document.title = `${view.title} · netwatchd`;
    for (const way of this.ways.children) {
      if (way.dataset.view === (route.view ?? "overview")) way.setAttribute("aria-current", "page");
      else way.removeAttribute("aria-current");
    }
  }

  update() {}

  tell() {
    const { state, heard } = this.context.connection;
    this.state.dataset.state = state;
    setText(this.state, { live: "live", connecting: "connecting", refused: "a token is needed" }[state] ?? `reconnecting, ${ago(heard)}`);
  }
}
