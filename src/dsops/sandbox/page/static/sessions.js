// @ts-check
// The sessions of the roles: how long they last by the sandbox's clock, also those that ended while the page was open.

import { duration } from "./clock.js";
import { element } from "./dom.js";

/** @typedef {import("./graph.js").Principal} Principal */
/** @typedef {import("./graph.js").Session} Session */

const MOST_KEPT = 40;

/** @type {Map<string, Session[]>} */
const seen = new Map();
/** @type {Map<string, number>} */
const counts = new Map();

/** Take the live sessions of an answer. @param {Principal[]} principals @param {number} now */
export function takeSessions(principals, now) {
  for (const each of principals) {
    const over = (seen.get(each.arn) ?? []).filter((session) => session.ends <= now);
    const kept = [...over, ...each.live].slice(-MOST_KEPT);
    if (kept.length) seen.set(each.arn, kept);
    else seen.delete(each.arn);
    counts.set(each.arn, each.sessions);
  }
}

/** The time left of a role's sessions, short and as a sentence. @param {string} arn @param {number} now @returns {[string, string]} */
export function timeLeft(arn, now) {
  const own = seen.get(arn) ?? [];
  const live = own.filter((session) => session.ends > now);
  if (!live.length) return own.length ? ["expired", "all sessions expired"] : ["", ""];
  const left = duration(live[live.length - 1].ends - now);
  const count = Math.max(live.length, (counts.get(arn) ?? 0) - (own.length - live.length));
  const noun = count === 1 ? "session" : "sessions";
  return [count === 1 ? left : `${count} × ${left}`, `${count} ${noun}, ${count === 1 ? "" : "the last "}with ${left} left`];
}

/** The list of a role's sessions. @param {string} arn @param {number} now */
export function sessionsView(arn, now) {
  const own = (seen.get(arn) ?? []).toReversed();
  if (!own.length) return [];
  const items = own.map((session) => {
    const left = session.ends - now;
    return element("li", { class: left > 0 ? "" : "over" }, element("span", { class: "name" }, session.name),
      element("span", { class: "time" }, left > 0 ? `${duration(left)} left` : "expired"));
  });
  const missing = (counts.get(arn) ?? 0) - own.filter((session) => session.ends > now).length;
  const more = missing > 0 ? [element("p", { class: "quiet" }, `and ${missing} more`)] : [];
  return [element("h3", {}, "Sessions"), element("ul", { class: "sessions" }, ...items), ...more];
}
