// @ts-check
// The calls as CloudTrail records them: the newest first, filtered; a chosen one with its whole record.

import { ask } from "./ask.js";
import { byId, element, saveFile } from "./dom.js";

/**
 * @typedef {{eventID: string, eventTime: string, eventName: string, eventSource: string, recipientAccountId?: string,
 *   errorCode?: string, sourceIPAddress?: string, userIdentity?: {arn?: string, type?: string, invokedBy?: string}}} Entry
 */

const POLL_MS = 1000;
const SHOWN = 200;
const KEPT = 2000;

/** @type {Entry[]} */
let entries = [];
let after = 0;
let current = "";

/** Prepare the view: it asks for events while it is shown. */
export function startEvents() {
  const form = byId("event-filter");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", draw);
  byId("save-events").addEventListener("click", save);
  setInterval(() => {
    if (!byId("events-view").hidden && !document.hidden) refresh();
  }, POLL_MS);
}

/** Ask for newer events, and draw them. */
export async function refresh() {
  // The page's status tells if the sandbox does not answer.
  const answer = await ask(`events?after=${after}&last=${KEPT}`).catch(() => null);
  if (answer === null) return;
  if (answer.next < after) entries = [];
  const isNew = answer.next !== after || answer.Records.length > 0;
  after = answer.next;
  if (!isNew && byId("events").childElementCount) return;
  entries = [...answer.Records.toReversed(), ...entries].slice(0, KEPT);
  draw();
}

function draw() {
  const meant = entries.filter(isMeant);
  byId("events").replaceChildren(...meant.slice(0, SHOWN).map(row));
  byId("event-count").textContent = entries.length === 0 ? "No events yet." : `${Math.min(meant.length, SHOWN)} of ${entries.length} events`;
}

/** @param {string} name */
function value(name) {
  const form = /** @type {HTMLFormElement} */ (byId("event-filter"));
  return /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value.trim().toLowerCase();
}

/** @param {Entry} entry */
function isMeant(entry) {
  const outcome = value("outcome");
  const words = value("text").split(/\s+/);
  const text = JSON.stringify(entry).toLowerCase();
  return words.every((word) => text.includes(word)) && (outcome === "" || Boolean(entry.errorCode) === (outcome === "failed"));
}

/** @param {Entry} entry */
function caller(entry) {
  const identity = entry.userIdentity ?? {};
  return identity.arn ?? identity.invokedBy ?? identity.type ?? "";
}

/** @param {Entry} entry */
function row(entry) {
  const word = entry.errorCode ?? "ok";
  const button = element(
    "button",
    { type: "button", "aria-current": String(entry.eventID === current) },
    element("span", { class: "what" }, `${entry.eventSource.replace(".amazonaws.com", "")}:${entry.eventName} `, element("span", { class: entry.errorCode ? "denied" : "allowed" }, word)),
    element("span", { class: "who" }, `${entry.eventTime.slice(11, 19)} ${caller(entry)}, account ${entry.recipientAccountId ?? ""}`),
  );
  button.addEventListener("click", () => {
    current = entry.eventID;
    for (const other of byId("events").querySelectorAll("button")) other.setAttribute("aria-current", String(other === button));
    byId("event").replaceChildren(element("pre", {}, JSON.stringify(entry, null, 2)));
    byId("event-detail").focus({ preventScroll: false });
  });
  return element("li", {}, button);
}

/** Save the events that are shown as a log file, which `dsops audit report` reads. */
function save() {
  const records = entries.filter(isMeant).toReversed();
  saveFile("sandbox-events.json", JSON.stringify({ Records: records }), "application/json");
}
