// @ts-check
// Asks whether a principal may perform an action on a resource, and shows the answer as a decision.

import { ask } from "./ask.js";
import { decisionView } from "./decision.js";
import { byId, element, saveFile } from "./dom.js";

/** @typedef {{caller: string, action: string, resource: string}} Asked */

const PAUSE_MS = 200;
const MOST_OFFERED = 100;

/** Prepare the view; `show` brings it to the front. @param {() => void} show */
export function startQuestion(show) {
  const form = /** @type {HTMLFormElement} */ (byId("question"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    decide(form);
  });
  let timer = 0;
  field(form, "caller").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => offer(field(form, "caller").value), PAUSE_MS);
  });
  field(form, "caller").addEventListener("focus", () => offer(field(form, "caller").value), { once: true });
  document.addEventListener("ask-again", (event) => {
    const { caller, action, resource } = /** @type {CustomEvent<Asked>} */ (event).detail;
    for (const [name, value] of Object.entries({ caller, action, resource })) field(form, name).value = value;
    show();
    field(form, "caller").focus();
  });
}

/** Prepare the button that takes the sandbox back to its seed. */
export function startReset() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("reset-dialog"));
  byId("reset").addEventListener("click", () => dialog.showModal());
  byId("reset-cancel").addEventListener("click", () => dialog.close());
  byId("reset-confirm").addEventListener("click", async () => {
    dialog.close();
    const note = byId("reset-note");
    note.textContent = await ask("reset", {}).then(() => "The sandbox is as at its start.", (error) => error.message);
  });
}

/** Prepare the button that saves the present state as a seed file. */
export function startSave() {
  byId("save-seed").addEventListener("click", async () => {
    const note = byId("reset-note");
    try {
      const { text, not_saved: missing } = await ask("seed");
      saveFile("seed.yaml", text, "application/yaml");
      note.textContent = missing.length === 0 ? "Saved." : `Saved, except for what the file's head names (${missing.length}).`;
    } catch (error) {
      note.textContent = error instanceof Error ? error.message : String(error);
    }
  });
}

/** @param {HTMLFormElement} form @param {string} name */
function field(form, name) {
  return /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
}

/** Offer the principals whose ARN contains the text. @param {string} text */
async function offer(text) {
  const world = await ask(`world?search=${encodeURIComponent(text)}`).catch(() => ({ accounts: [] }));
  /** @type {{arn: string}[]} */
  const found = world.accounts.flatMap((/** @type {{principals: {arn: string}[]}} */ account) => account.principals);
  byId("principals").replaceChildren(...found.slice(0, MOST_OFFERED).map(({ arn }) => element("option", { value: arn })));
}

/** @param {HTMLFormElement} form */
async function decide(form) {
  const answer = byId("question-answer");
  try {
    const body = {
      caller: field(form, "caller").value.trim(),
      action: field(form, "action").value.trim(),
      resource: field(form, "resource").value.trim(),
      context: contextOf(field(form, "context").value),
    };
    const decision = await ask("ask", body);
    answer.replaceChildren(...findingsView(decision.findings), ...decisionView(decision));
  } catch (error) {
    answer.replaceChildren(element("p", { class: "denied" }, error instanceof Error ? error.message : String(error)));
  }
  byId("question-result").focus({ preventScroll: false });
}

/**
 * Read lines such as `aws:SourceIp = 192.0.2.1`; a key on several lines has several values, a key without a value none.
 * @param {string} text
 */
function contextOf(text) {
  /** @type {Record<string, string[]>} */
  const context = Object.create(null);
  for (const line of text.split("\n").map((each) => each.trim()).filter(Boolean)) {
    const [, key, value] = line.match(/^([^=]+?)\s*=\s*(.*)$/) ?? [];
    if (!key) throw new Error(`“${line}” is not a condition key with a value: write KEY = VALUE`);
    context[key] = [...(context[key] ?? []), ...(value ? [value] : [])];
  }
  return context;
}

/** @param {import("./editor.js").Finding[]} findings */
function findingsView(findings) {
  return findings.length
    ? [element("ul", { class: "notes" }, ...findings.map((each) => element("li", {}, `${each.message}${each.hint ? ` (${each.hint})` : ""}`)))]
    : [];
}
