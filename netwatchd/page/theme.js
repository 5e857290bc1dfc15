// Light or dark, as the user or else the system wants. Loaded before anything is drawn.

import { forget, keep, kept } from "./kept.js";

const KEY = "netwatchd.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** What may be chosen. */
export const THEMES = ["system", "light", "dark"];

/** What the user has chosen: `system`, `light` or `dark`. */
export function chosen() {
  const choice = kept(KEY);
  return THEMES.includes(choice) ? choice : "system";
}

/** Chooses a theme, and keeps the choice in this browser. */
export function choose(theme) {
  if (theme === "system") forget(KEY);
  else keep(KEY, theme);
  apply();
}

/** The theme that is shown: `light` or `dark`. */
export function shown() {
  const wanted = chosen();
  return wanted === "system" ? (dark.matches ? "dark" : "light") : wanted;
}

function apply() {
  const theme = shown();
  const root = document.documentElement;
  if (root.dataset.theme === theme) return;
  root.dataset.theme = theme;
  // The browser's own bars take the colour of the header.
  const back = getComputedStyle(root).getPropertyValue("--surface").trim();
  document.querySelector("meta[name=theme-color]")?.setAttribute("content", back);
  dispatchEvent(new Event("theme"));
}

dark.addEventListener("change", apply);
addEventListener("storage", apply); // chosen in another tab
apply();
