// @ts-check
// Edits a policy document: what the linter finds as one types, which of the latest calls it would change, and saving.

import { ask } from "./ask.js";
import { element } from "./dom.js";

/**
 * @typedef {{decision: number, kind: string, name: string, before: string, text: string}} Draft
 * @typedef {{severity: string, line: number, message: string, hint: string}} Finding
 * @typedef {{caller: string, action: string, resource: string, would_be_allowed: boolean}} Changed
 */

const PAUSE_MS = 300;
const SHOWN = 20;

/** The editor for one document. @param {Draft} draft */
export function editorView(draft) {
  const text = /** @type {HTMLTextAreaElement} */ (
    element("textarea", { rows: String(Math.min(30, draft.text.split("\n").length + 1)), spellcheck: "false" })
  );
  text.value = draft.text;
  const result = element("div", { role: "status" });
  const save = element("button", { type: "button" }, "Save");
  const close = element("button", { type: "button" }, "Close");
  const view = element(
    "section",
    { class: "editor" },
    element("label", {}, `Document of ${draft.name}`, text),
    element("p", { class: "buttons" }, save, " ", close),
    result,
  );
  let before = draft.before;
  const written = () => ({ ...draft, before, text: text.value });
  let timer = 0;
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(result, text, written(), false), PAUSE_MS);
  });
  save.addEventListener("click", async () => {
    const saved = written();
    if (await show(result, text, saved, true)) before = saved.text;
  });
  close.addEventListener("click", () => view.remove());
  show(result, text, written(), false);
  return view;
}

/**
 * Check the document, or save it, and show the result; an answer to an older text is dropped. Return whether it was saved.
 * @param {HTMLElement} result @param {HTMLTextAreaElement} text @param {Draft} draft @param {boolean} isSaved
 */
async function show(result, text, draft, isSaved) {
  try {
    const answer = await ask("policy", { ...draft, save: isSaved });
    if (text.value === draft.text) result.replaceChildren(...resultView(answer));
    return answer.is_saved;
  } catch (error) {
    result.replaceChildren(element("p", { class: "denied" }, error instanceof Error ? error.message : String(error)));
    return false;
  }
}

/** @param {{findings: Finding[], calls: Changed[], refused: string, is_saved: boolean}} answer */
function resultView(answer) {
  const saved = answer.is_saved ? [element("p", { class: "allowed" }, "Saved. The next call is decided with it.")] : [];
  const refused = answer.refused ? [element("p", { class: "denied" }, answer.refused)] : [];
  const calls = answer.calls.slice(0, SHOWN).map((call) => element(
    "li",
    {},
    element("span", { class: call.would_be_allowed ? "allowed" : "denied" }, call.would_be_allowed ? "allowed" : "denied"),
    ` ${call.caller || "anonymous"}: ${call.action} on ${call.resource}`,
  ));
  return [
    ...saved,
    ...refused,
    element("ul", {}, ...answer.findings.map(findingView)),
    element("p", {}, answer.calls.length === 0 ? "Of the latest calls, none would be decided otherwise."
      : `Of the latest calls, ${answer.calls.length} would be decided otherwise:`),
    element("ol", {}, ...calls),
  ];
}

/** @param {Finding} finding */
function findingView(finding) {
  const word = element("span", { class: finding.severity === "error" ? "denied" : "" }, finding.severity);
  return element("li", {}, word, ` line ${finding.line}: ${finding.message}${finding.hint ? ` (${finding.hint})` : ""}`);
}
