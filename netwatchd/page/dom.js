// Elements made of data, never HTML: whatever a device calls itself stays text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `attributes` may hold `class`, `text`, `dataset`, event listeners as `onclick`, and any attribute or
 * property by its HTML name; what is null, undefined or false is left out. Children are elements, text, or lists of them.
 */
export function element(name, attributes = {}, ...children) {
  return dress(document.createElement(name), attributes, children);
}

/** The same, of SVG. */
export function svg(name, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, name), attributes, children);
}

/** An icon of icons.svg. It says nothing to those who do not see it: what it means stands beside it. */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true", focusable: "false" }, svg("use", { href: `icons.svg#${name}` }));
}

function dress(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") node.textContent = value;
    else if (key === "dataset") Object.assign(node.dataset, value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "selected") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets a text where it is another one: what is unchanged is neither laid out anew nor read out. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute where it is another one; null removes it. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/**
 * Makes the children of `parent` be those of `items`, in their order: by its key, an element is kept where it is there,
 * so that focus, selection and scrolling stay. `make(item)` makes one, `update(element, item)` brings it up to date. Of
 * items with the same key, only the first is shown.
 */
export function reconcile(parent, items, keyOf, make, update) {
  const wanted = new Map();
  for (const item of items) {
    const key = String(keyOf(item));
    if (!wanted.has(key)) wanted.set(key, item);
  }
  const known = new Map();
  for (const child of [...parent.children]) {
    const { key } = child.dataset;
    if (wanted.has(key) && !known.has(key)) known.set(key, child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  for (const [key, item] of wanted) {
    let child = known.get(key);
    if (!child) {
      child = make(item);
      child.dataset.key = key;
    }
    update(child, item);
    // Where one has gone further down, it is the one that is moved, when it is its turn, and not all behind it.
    if (place && child === place.nextElementSibling) place = child;
    if (child === place) place = place.nextElementSibling;
    else put(parent, child, place);
  }
}

// Who is at an element that is moved stays there, where the browser can do that.
function put(parent, child, place) {
  if (parent.moveBefore && child.parentNode === parent && parent.isConnected) parent.moveBefore(child, place);
  else parent.insertBefore(child, place);
}
