// What is shown, as a file: CSV for spreadsheets, JSON for programs.

import { menuButton } from "./menu.js";
import { notice } from "./notice.js";

// What spreadsheets take for a formula, also in wide characters and behind white space: it is shown as text.
const FORMULA = /^[\s\u0000-\u001f]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/;
const BOM = "\ufeff"; // without it, spreadsheets guess another character set than UTF-8
const TYPES = { csv: "text/csv;charset=utf-8", json: "application/json" };

/**
 * Rows as CSV (RFC 4180). A column is `{name, value(row)}`, without `value` the field of that name. Numbers stay
 * numbers, a Date is written in UTC, a list with spaces between; a text that a spreadsheet would take for a formula
 * begins with an apostrophe.
 */
export function csv(rows, columns) {
  const lines = [columns.map((column) => cell(column.name))];
  for (const row of rows) lines.push(columns.map((column) => cell(valueOf(row, column))));
  return lines.map((cells) => `${cells.join(",")}\r\n`).join("");
}

function valueOf(row, column) {
  return column.value ? column.value(row) : row[column.name];
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  const text = textOf(value);
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function textOf(value) {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(String).join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A column of times (Unix ms), as a Date. */
export function timeColumn(name) {
  return { name, value: (row) => (row[name] === null || row[name] === undefined ? null : new Date(row[name])) };
}

/** Has the browser keep rows as a file; `format` is `csv` or `json` (the rows as they are, as the API tells them). */
function exportRows(name, rows, columns, format = "csv") {
  const text = format === "csv" ? BOM + csv(rows, columns) : `${JSON.stringify(rows, null, 1)}\n`;
  const url = URL.createObjectURL(new Blob([text], { type: TYPES[format] }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `netwatchd-${name}-${stamp(new Date())}.${format}`;
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  notice(`${rows.length} ${rows.length === 1 ? "row" : "rows"} exported as ${format.toUpperCase()}.`);
}

/**
 * A button with a menu that exports what is shown. `rows()` returns the rows, as they are shown now, or a promise of
 * them.
 */
export function exportMenu(name, rows, columns) {
  const save = async (format) => exportRows(name, await rows(), columns, format);
  return menuButton("Export", [
    { text: "CSV, for spreadsheets", do: () => save("csv") },
    { text: "JSON, for programs", do: () => save("json") },
  ], { class: "button quiet menu-button" });
}

function stamp(when) {
  const two = (number) => String(number).padStart(2, "0");
  const day = [when.getFullYear(), two(when.getMonth() + 1), two(when.getDate())].join("-");
  return `${day}-${two(when.getHours())}${two(when.getMinutes())}`;
}
