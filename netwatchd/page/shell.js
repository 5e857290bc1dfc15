// What is around every view: the name, the ways to the views, the search, whether what is shown is live, the theme.

import { element, setAttribute, setText, svg } from "./dom.js";
import { showHelp, watchKeys } from "./keyboard.js";
import { Live } from "./live.js";
import { watchLogin } from "./login.js";
import { menuButton } from "./menu.js";
import { announce } from "./notice.js";
import { linkTo } from "./route.js";
import { Search } from "./search.js";
import { choose, chosen, THEMES } from "./theme.js";

/** The views that one goes to from everywhere, in the order of the questions that they answer. */
export const WAYS = {
  overview: "Overview", threats: "Threats", devices: "Devices", flows: "Flows", traffic: "Traffic",
};

const THEME_NAMES = { system: "As the system", light: "Light", dark: "Dark" };

// Half of a disc: light and dark.
const THEME_SIGN = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 2v14a7 7 0 0 1 0-14Z";

export class Shell {
  constructor(context) {
    this.context = context;
    this.live = new Live(context);
    this.search = new Search(context);
    this.ways = element("nav", { class: "page-nav", "aria-label": "Views" }, Object.entries(WAYS).map(wayTo));
    this.main = element("main", { id: "main", tabindex: "-1" });
    this.heading = element("h1", { tabindex: "-1" });
    this.head = element("div", { class: "view-head" }, this.heading);
    const help = element("button", {
      class: "button quiet icon-only help", type: "button", "aria-label": "Help and keys", title: "Help and keys (?)",
      text: "?",
    });
    help.addEventListener("click", () => showHelp());
    const header = element("header", { class: "page-head" },
      element("a", { class: "page-name", href: linkTo({}), text: "netwatchd" }),
      this.ways,
      element("div", { class: "page-tools" }, this.search.node, this.live.node, themeMenu(), help));
    const skip = element("a", { class: "skip", href: "#main", text: "To the content" });
    skip.addEventListener("click", (event) => {
      event.preventDefault();
      this.main.focus();
    });
    document.body.prepend(skip, header, this.live.notes, this.main);
    watchKeys({ search: this.search, ways: WAYS });
    watchLogin(context.connection);
    this.countThreats();
  }

  /** Shows a view; `isOther`: another one than before. */
  show(view, route, isOther) {
    if (isOther) {
      const isFirst = !this.main.hasChildNodes();
      view.node.classList.add("view");
      this.main.replaceChildren(view.node);
      if (!isFirst) this.arrive(view);
    }
    this.name(view);
    for (const way of this.ways.children) {
      const name = way.dataset.view;
      const isHere = name === (route.view ?? "overview") || (name === "devices" && route.view === "device");
      setAttribute(way, "aria-current", isHere ? "page" : null);
    }
    this.view = view;
  }

  // Who does not see the page, or uses no mouse, goes on where the new view begins.
  arrive(view) {
    scrollTo(0, 0);
    this.main.focus({ preventScroll: true });
    announce(view.title, { asked: true });
  }

  // A view may have a heading of its own, such as the name of a device with what renames it.
  name(view) {
    if (view.node.querySelector("h1")) this.head.remove();
    else if (!this.head.isConnected) this.main.prepend(this.head);
    setText(this.heading, view.title);
    const open = this.open ? `(${this.open}) ` : "";
    const title = `${open}${view.title} · netwatchd`;
    if (document.title !== title) document.title = title;
  }

  /** Takes in what has changed in the store. */
  update(changed) {
    if (changed.has("threats")) this.countThreats();
    if (changed.has("stats")) this.live.tell();
    if (this.view) this.name(this.view);
  }

  countThreats() {
    this.open = 0;
    for (const threat of this.context.store.threats.values()) {
      if (threat.status === "open" && threat.severity !== "info") this.open += 1;
    }
    const badge = this.ways.querySelector("[data-view=threats] .badge");
    badge.hidden = !this.open;
    setText(badge.firstElementChild, String(this.open));
  }
}

function wayTo([name, text]) {
  const count = name === "threats" && element("span", { class: "badge count", hidden: true },
    element("span", { text: "0" }), element("span", { class: "visually-hidden", text: " open" }));
  const href = linkTo({ view: name === "overview" ? null : name });
  return element("a", { href, dataset: { view: name } }, text, count);
}

function themeMenu() {
  const disc = svg("path", { d: THEME_SIGN });
  const sign = svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, disc);
  return menuButton(sign, () => [
    { title: "Theme" },
    ...THEMES.map((theme) => ({ text: THEME_NAMES[theme], checked: chosen() === theme, do: () => choose(theme) })),
  ], { class: "button quiet icon-only menu-button", "aria-label": "Theme", title: "Theme" });
}
