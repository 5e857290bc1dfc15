// Menus that a button opens. They float above everything, and are made anew each time they are opened.

import { element } from "./dom.js";

/**
 * A button that opens a menu. `items` is a list, or returns one when it is opened, of `{text, do}`, `{text, href}`,
 * each perhaps with `checked` (true or false: one of some to choose from) or `disabled`, and of `{title}`.
 * `attributes` are those of the button, such as `class` and `aria-label`; `content` stands in it.
 */
export function menuButton(content, items, attributes = {}) {
  const menu = element("div", { class: "menu", popover: "auto", role: "menu" });
  const button = element("button", {
    class: "button menu-button", type: "button", "aria-haspopup": "menu", "aria-expanded": "false", ...attributes,
  }, content);
  const name = attributes["aria-label"] ?? button.textContent;
  menu.setAttribute("aria-label", name);
  button.popoverTargetElement = menu;
  menu.addEventListener("beforetoggle", (event) => {
    if (event.newState !== "open") return;
    const list = typeof items === "function" ? items() : items;
    menu.replaceChildren(...list.map((item) => itemOf(item, menu)));
  });
  menu.addEventListener("toggle", (event) => {
    const isOpen = event.newState === "open";
    button.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return;
    place(menu, button);
    (menu.querySelector("[aria-checked=true]") ?? menu.querySelector(".menu-item"))?.focus();
  });
  menu.addEventListener("keydown", (event) => walk(event, menu));
  return element("span", { class: "menu-holder" }, button, menu);
}

function itemOf(item, menu) {
  if (item.title) return element("p", { class: "menu-title", role: "presentation", text: item.title });
  const isChoice = item.checked !== undefined;
  const attributes = {
    class: "menu-item", role: isChoice ? "menuitemradio" : "menuitem", tabindex: "-1", text: item.text,
    "aria-checked": isChoice ? String(item.checked) : null,
  };
  if (item.href) return element("a", { ...attributes, href: item.href, onclick: () => menu.hidePopover() });
  return element("button", {
    ...attributes, type: "button", disabled: item.disabled,
    onclick: () => {
      menu.hidePopover();
      item.do();
    },
  });
}

/** Below the button where there is room, else above; within the window. */
function place(menu, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const isBelow = at.bottom + height + 8 <= innerHeight || at.top < height + 8;
  const alignsEnd = at.left + width + 8 > innerWidth;
  menu.style.left = `${Math.max(8, alignsEnd ? Math.min(at.right, innerWidth - 8) - width : at.left)}px`;
  menu.style.top = `${isBelow ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
  menu.style.maxHeight = `${isBelow ? innerHeight - at.bottom - 12 : at.top - 12}px`;
}

function walk(event, menu) {
  const items = [...menu.querySelectorAll(".menu-item:not(:disabled)")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Tab") menu.hidePopover();
  if (to === undefined || !items.length) return;
  event.preventDefault();
  items[to % items.length].focus();
}
