// What is shown stands in the URL, so that it can be shared, bookmarked and gone back from: /?view=devices&text=printer.

/** The view and its filters, as the URL has them. */
export function route() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

/** A link to a view with these filters; what is null, undefined, empty or false is left out. */
export function linkTo(parts) {
  const given = Object.entries(parts).filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  const query = new URLSearchParams(given).toString();
  return query ? `?${query}` : location.pathname;
}

/** Goes to a view. `replace`: without a step to go back to, as while a filter is typed. */
export function go(parts, { replace = false } = {}) {
  const link = linkTo(parts);
  if (replace) history.replaceState(null, "", link);
  else history.pushState(null, "", link);
  dispatchEvent(new Event("route"));
}

/** Changes some of the filters of the view that is shown. */
export function change(parts, options = { replace: true }) {
  go({ ...route(), ...parts }, options);
}

/** Links within the page change the view, without loading it again. */
export function watchLinks() {
  addEventListener("popstate", () => dispatchEvent(new Event("route")));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin || link.pathname !== location.pathname) return;
    if (link.hash) return;
    event.preventDefault();
    if (link.search !== location.search) history.pushState(null, "", link.href);
    dispatchEvent(new Event("route"));
  });
}
