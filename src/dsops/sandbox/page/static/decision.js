// @ts-check
// One decision: what decided, what would allow it, and every policy with its statements.

import { element } from "./dom.js";
import { editorView } from "./editor.js";

/**
 * @typedef {{element: string, operator: string, key: string, wanted: string[], actual: string[] | null, hint: string}} Failure
 * @typedef {{policy: string, statement: number, sid: string | null, effect: string, failures: Failure[]}} Statement
 * @typedef {{policy_type: string, level: number, effect: string, is_needed: boolean, matched: Statement[],
 *   near: Statement[], note: string}} Reason
 * @typedef {{policy_type: string, policy: string, before: string, after: string, what: string, opens: string,
 *   instead: string}} Change
 * @typedef {{kind: string, name: string, text: string, now: string | null}} Document
 * @typedef {{number: number, time: string, caller: string, action: string, resource: string, is_allowed: boolean,
 *   effect: string, decided_by: string, policy: string | null, statement: number | null, sid: string | null,
 *   reasons: Reason[], documents: Document[], is_allowed_now: boolean,
 *   changes: Change[]}} Decision
 */

const SAYS = { Allow: "allows it", ExplicitDeny: "denies it", ImplicitDeny: "does not allow it" };

/** @param {Decision} decision */
export function decisionView(decision) {
  return [
    element(
      "p",
      { class: "sentence" },
      element("code", {}, decision.caller || "An anonymous caller"),
      " ",
      element("span", { class: decision.is_allowed ? "allowed" : "denied" }, decision.is_allowed ? "may" : "may not"),
      " ",
      element("code", {}, decision.action),
      " on ",
      element("code", {}, decision.resource),
      ", ",
      because(decision),
    ),
    ...(decision.number > 0 ? [askAgain(decision)] : []),
    ...(decision.is_allowed ? [] : changesView(decision)),
    element("h3", {}, "Policies that were evaluated"),
    ...decision.reasons.map((reason) => reasonView(reason, decision)),
  ];
}

/** A button that takes the call to the form for questions. @param {Decision} decision */
function askAgain(decision) {
  const button = element("button", { type: "button" }, "Ask with other values");
  button.addEventListener("click", () => document.dispatchEvent(new CustomEvent("ask-again", { detail: decision })));
  return element("p", { class: "buttons" }, button);
}

/** @param {Decision} decision */
function because(decision) {
  if (decision.policy === null || decision.statement === null) {
    return decision.is_allowed ? "because no policy has to allow it." : `because no ${decision.decided_by} allows it.`;
  }
  const verb = decision.is_allowed ? "allows" : "denies";
  return `because ${named(decision)} of ${decision.policy} (${decision.decided_by}) ${verb} it.`;
}

/** @param {{statement: number | null, sid: string | null}} found */
function named(found) {
  return found.sid ? `statement ${found.statement} (${found.sid})` : `statement ${found.statement}`;
}

/** @param {Decision} decision */
function changesView(decision) {
  const title = element("h3", {}, "What would allow it");
  if (decision.is_allowed_now) return [title, element("p", {}, "With the policies as they are now, it is allowed.")];
  if (!decision.changes.length) {
    return [title, element("p", {}, "No change of the stored policies was found that allows it.")];
  }
  return [title, ...decision.changes.map((change, index) => changeView(change, index, decision))];
}

/** @param {Change} change @param {number} index @param {Decision} decision */
function changeView(change, index, decision) {
  const number = decision.changes.length > 1 ? `${index + 1} of ${decision.changes.length}: ` : "";
  const kind = KINDS[change.policy_type];
  const document = decision.documents.find((each) => each.kind === kind && each.name === change.policy);
  const isEditable = change.before === "" || (document !== undefined && document.now !== null);
  return element(
    "div",
    { class: "change" },
    element("p", {}, `${number}${change.policy} (${change.policy_type}): ${change.what}`),
    element("p", {}, `This also allows: ${change.opens}`),
    ...(change.instead ? [element("p", {}, `Without a change: ${change.instead}`)] : []),
    isEditable
      ? editButton("Try this change", {
          decision: decision.number, kind, name: change.policy, before: change.before, text: change.after,
        })
      : element("details", {}, element("summary", {}, "The changed document"), element("pre", {}, change.after)),
  );
}

/** @param {Reason} reason @param {Decision} decision */
function reasonView(reason, decision) {
  const word = reason.effect === "Allow" ? "allowed" : "denied";
  const says = SAYS[/** @type {keyof typeof SAYS} */ (reason.effect)];
  const note = reason.note ? ` (${reason.note})` : "";
  const documents = decision.documents.filter((each) => each.kind === KINDS[reason.policy_type]);
  return element(
    "details",
    reason.effect === "Allow" ? {} : { open: "" },
    element("summary", {}, `${reason.policy_type} `, element("span", { class: word }, says), note),
    ...reason.matched.map((statement) => element("p", {}, `${named(statement)} of ${statement.policy}, ${statement.effect}, applies.`)),
    ...reason.near.map(nearView),
    ...documents.map((each) => documentView(each, decision)),
  );
}

const KINDS = /** @type {Record<string, string>} */ ({
  "identity-based policy": "identity",
  "permissions boundary": "boundary",
  "session policy": "session",
  "resource-based policy": "resource",
  "role trust policy": "trust",
  "service control policy": "scp",
  "resource control policy": "rcp",
});

/** @param {Statement} near */
function nearView(near) {
  const rows = near.failures.map((failure) => element(
    "tr",
    {},
    element("td", {}, [failure.element, failure.operator, failure.key].filter(Boolean).join(" ").replaceAll(":", ":\u200b")),
    element("td", {}, failure.wanted.join(" or ") || "-"),
    element("td", {}, failure.actual === null ? "the request has none" : failure.actual.join(", "), failure.hint ? ` (${failure.hint})` : ""),
  ));
  return element(
    "div",
    {},
    element("p", {}, `${named(near)} of ${near.policy}, ${near.effect}, does not apply:`),
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...["element", "policy", "request"].map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows),
    ),
  );
}

/** The document, with the deciding statement marked. @param {Document} each @param {Decision} decision */
function documentView(each, decision) {
  const marked = each.name === decision.policy ? decision.statement : null;
  const now = each.now ?? "";
  const draft = { decision: decision.number, kind: each.kind, name: each.name, before: now, text: indented(now) };
  const isOld = each.now !== null && each.now !== each.text;
  return element(
    "details",
    {},
    element("summary", {}, isOld ? `${each.name} (changed since)` : each.name),
    element("pre", {}, ...lines(each.text, marked)),
    ...(each.now !== null ? [editButton("Edit", draft)] : []),
  );
}

/** A button that opens the editor below itself. @param {string} text @param {import("./editor.js").Draft} draft */
function editButton(text, draft) {
  const button = element("button", { type: "button" }, text);
  button.addEventListener("click", () => {
    const editor = editorView(draft);
    button.after(editor);
    editor.querySelector("textarea")?.focus();
  });
  return button;
}

/** @param {string} text */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** @param {string} text @param {number | null} marked the number of the statement to mark, from 1 */
function lines(text, marked) {
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    return [text];
  }
  const { Statement: statements, ...rest } = content;
  const listed = Array.isArray(statements) ? statements : [statements];
  const head = JSON.stringify(rest, null, 2).slice(0, -1).trimEnd();
  const comma = Object.keys(rest).length ? "," : "";
  const shown = listed.map((statement, index) => {
    const written = JSON.stringify(statement, null, 2).replaceAll("\n", "\n    ");
    const line = `    ${written}${index + 1 < listed.length ? "," : ""}\n`;
    return index + 1 === marked ? element("mark", {}, line) : line;
  });
  return [`${head}${comma}\n  "Statement": [\n`, ...shown, "  ]\n}"];
}
