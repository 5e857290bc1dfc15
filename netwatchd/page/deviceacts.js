// What can be done with a device beside naming it: it is another one (merge), one of its MACs is another thing (split),
// or nothing of it shall be kept (forget).

import { element, setText } from "./dom.js";
import { confirm, dialog, notice, problem } from "./notice.js";
import { go } from "./route.js";
import { receipt } from "./receipt.js";
import { keyOf, nameOf } from "./store.js";

/** The items of the menu of a device. */
export function actsOf(device, context) {
  const others = otherMacs(device);
  return [
    { text: "It is another device …", do: () => merge(device, context), disabled: context.store.devices.size < 2 },
    ...others.map((mac) => ({ text: `${mac} is not it …`, do: () => split(device, mac, context) })),
    { text: "Forget it …", do: () => forget(device, context) },
  ];
}

/** The MACs that were merged into a device. */
export function otherMacs(device) {
  return device.macs.filter((mac) => mac !== device.mac);
}

/** How a device can be told from others. */
export function described(device) {
  const marks = [device.mac, device.ip].filter((mark) => mark && mark !== nameOf(device)).join(", ");
  return marks ? `${nameOf(device)} (${marks})` : nameOf(device);
}

/** Asks, and tells the daemon that a MAC is a device of its own. */
export async function split(device, mac, { connection }) {
  const isSure = await confirm({
    title: `Is ${mac} another device?`,
    text: `It becomes a device of its own, and ${nameOf(device)} stays. netwatchd never takes the two for one ` +
      "again by itself.",
    yes: "Split",
  });
  if (!isSure) return;
  try {
    await connection.act({ op: "split", device: mac });
    const show = { text: "Show it", do: () => go({ view: "device", device: mac }) };
    const close = notice(`${mac} is a device of its own now.`, { action: show });
    receipt(connection, "Split", { close });
  } catch (error) {
    problem(`${mac} was not split off: ${error.message}.`);
  }
}

async function forget(device, { connection }) {
  const isSure = await confirm({
    title: `Forget all about ${nameOf(device)}?`,
    text: `${described(device)}: nothing of it is kept, and that cannot be undone. Seen again, it is new, which is ` +
      "with its next packet where it is here.",
    yes: "Forget", danger: true,
  });
  if (!isSure) return;
  try {
    await connection.act({ op: "forget", device: keyOf(device) });
    go({ view: "devices" });
    const close = notice(`${nameOf(device)} is forgotten. Seen again, it is new.`);
    receipt(connection, "Forgotten", { close });
  } catch (error) {
    problem(`${nameOf(device)} was not forgotten: ${error.message}.`);
  }
}

function merge(device, context) {
  const key = keyOf(device);
  const others = [...context.store.devices.values()].filter((other) => keyOf(other) !== key)
    .sort((one, other) => nameOf(one).localeCompare(nameOf(other)));
  const into = element("select", { name: "merge-into", required: true },
    element("option", { value: "", text: "choose …" }),
    others.map((other) => element("option", { value: keyOf(other), text: described(other) })));
  const said = element("p", { class: "small", text: "Choose the device that it is." });
  const wrong = element("p", { class: "problem", role: "alert" });
  const no = element("button", { class: "button", type: "button", text: "Cancel" });
  const yes = element("button", { class: "button primary", type: "button", text: "Merge", disabled: true });
  const node = dialog(`Which device is ${nameOf(device)}?`, [
    element("p", { text: `${described(device)} is the same thing as one that is known already, with another MAC.` }),
    element("label", { class: "field" }, element("span", { text: "It is" }), into), said, wrong,
  ], [no, yes]);
  into.addEventListener("change", () => {
    yes.disabled = !into.value;
    const other = context.store.devices.get(into.value);
    setText(said, other
      ? `${nameOf(device)} and ${nameOf(other)} become one device, with all that both have done. What was merged ` +
        "can be split again."
      : "Choose the device that it is.");
  });
  no.addEventListener("click", () => node.close());
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    const other = context.store.devices.get(into.value);
    try {
      await context.connection.act({ op: "merge", device: key, into: into.value });
      node.close();
      // Where only one of the two has a MAC, that one stays.
      go({ view: "device", device: context.store.devices.has(into.value) ? into.value : key }, { replace: true });
      const close = notice(`${nameOf(device)} is ${other ? nameOf(other) : into.value} now.`);
      receipt(context.connection, "Merged", { close });
    } catch (error) {
      setText(wrong, `They were not merged: ${error.message}.`);
      yes.disabled = false;
    }
  });
  node.showModal();
}
