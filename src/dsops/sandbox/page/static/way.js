// @ts-check
// Whether one principal can become another: the steps, and which condition or policy is in the way.

import { element } from "./dom.js";
import { lacks } from "./arrows.js";

/**
 * @typedef {import("./graph.js").Link} Link
 * @typedef {{from: string, to: string, verdict: string, steps: Link[], refusals: string[]}} Way
 */

/** A principal's name without its account. @param {string} arn */
export function shortName(arn) {
  const parts = arn.split(":");
  return parts.length > 5 ? parts.slice(5).join(":").replace(/^(user|role|oidc-provider|saml-provider)\//, "") : arn;
}

/** The answer in one sentence. @param {Way} way */
export function sentenceOf(way) {
  const [from, to] = [shortName(way.from), shortName(way.to)];
  const chain = way.steps.length > 1 ? `, through ${way.steps.length - 1} ${way.steps.length === 2 ? "role" : "roles"}` : "";
  if (way.verdict === "yes") return `${from} can become ${to} now${chain}.`;
  if (way.verdict === "conditional") {
    const open = [...new Set(way.steps.filter((step) => step.state === "conditional").map(lacks))].join(" + ");
    return `${from} can become ${to} only with ${open}${chain}.`;
  }
  if (way.verdict === "unknown") {
    const found = way.steps.length ? "No better way" : "No way";
    return `${found} from ${from} to ${to} was found, but there are too many roles to look at all of them.`;
  }
  const denied = way.steps.find((step) => step.state === "denied");
  return denied ? `${from} can't become ${to}: ${denialOf(denied)}.` : `${from} can't become ${to}.`;
}

/** @param {Way} way */
export function wayView(way) {
  const steps = way.steps.map((step) => element(
    "li",
    { class: step.state },
    element("span", { class: "ends" }, element("b", {}, shortName(step.from)), " → ", element("b", {}, shortName(step.to))),
    element("span", { class: "state" }, stateOf(step)),
    ...step.conditions.map((condition) => element("code", {}, condition)),
  ));
  const refusals = way.refusals.map((sentence) => element("li", {}, sentence));
  return [
    element("p", { class: `verdict ${way.verdict}` }, sentenceOf(way)),
    ...(steps.length ? [element("ol", { class: "steps" }, ...steps)] : []),
    ...(refusals.length ? [element("ul", { class: "refusals" }, ...refusals)] : []),
  ];
}

/** @param {Link} link */
export function stateOf(link) {
  return link.state === "allowed" ? "now" : link.state === "conditional" ? `only with ${lacks(link)}` : denialOf(link);
}

/** Which policies deny a link. @param {Link} link */
function denialOf(link) {
  return link.why.map((kind) => (kind === "MFA" ? "the session of a role has no MFA" : `denied by the ${kind}`)).join(", ");
}
