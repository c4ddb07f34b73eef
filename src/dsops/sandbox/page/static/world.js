// @ts-check
// The accounts with their users and roles; for a chosen one, which roles it can assume, and who can assume it.

import { ask } from "./ask.js";
import { byId, element } from "./dom.js";

/**
 * @typedef {{arn: string, name: string, kind: string, sessions: number, seconds_left: number}} Principal
 * @typedef {{account: string, count: number, principals: Principal[]}} Account
 * @typedef {{from: string, to: string, state: string, why: string[]}} Link
 */

const PAUSE_MS = 200;
const WORDS = /** @type {Record<string, string>} */ ({
  allowed: "now",
  conditional: "only if the request has",
  denied: "denied by the",
});

let current = "";
let timer = 0;

/** Prepare the view; it is drawn when it is shown. */
export function startWorld() {
  const form = byId("search");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(drawWorld, PAUSE_MS);
  });
}

/** Ask for the accounts, and draw them. */
export async function drawWorld() {
  const field = /** @type {HTMLInputElement} */ (byId("search").querySelector("input"));
  const searched = field.value;
  const world = await ask(`world?search=${encodeURIComponent(searched)}`);
  if (field.value !== searched) return;
  byId("found").textContent = world.shown < world.count ? `${world.shown} of ${world.count}: type a part of a name` : `${world.count}`;
  byId("accounts").replaceChildren(...world.accounts.map(accountView));
}

/** @param {Account} account */
function accountView(account) {
  return element(
    "section",
    { class: "account", "aria-label": `account ${account.account}` },
    element("h3", {}, account.account),
    element("ul", {}, ...account.principals.map((principal) => element("li", {}, principalButton(principal)))),
  );
}

/** @param {Principal} principal */
function principalButton(principal) {
  const minutes = Math.ceil(principal.seconds_left / 60);
  const sessions = principal.sessions ? `, ${principal.sessions} sessions, ${minutes} min left` : "";
  const button = element(
    "button",
    { type: "button", "data-arn": principal.arn, "aria-current": String(principal.arn === current) },
    `${principal.kind} ${principal.name}${sessions}`,
  );
  button.addEventListener("click", () => choose(principal.arn));
  return button;
}

/** @param {string} arn */
async function choose(arn) {
  current = arn;
  for (const button of byId("accounts").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.arn === arn));
  }
  const linked = byId("linked");
  try {
    const links = await ask(`links?arn=${encodeURIComponent(arn)}`);
    linked.replaceChildren(
      element("p", { class: "sentence" }, element("code", {}, arn)),
      ...listView("Roles that it can assume", links.to, "to"),
      ...(arn.includes(":role/") ? listView("Who can assume it", links.from, "from") : []),
    );
  } catch (error) {
    linked.replaceChildren(element("p", {}, error instanceof Error ? error.message : String(error)));
  }
  byId("links").focus({ preventScroll: false });
}

/** @param {string} title @param {Link[]} links @param {"from" | "to"} end */
function listView(title, links, end) {
  const items = links.map((link) => {
    const button = element("button", { type: "button" }, link[end]);
    button.addEventListener("click", () => choose(link[end]));
    const why = link.why.length ? ` ${link.why.join(", ")}` : "";
    return element("li", {}, button, " ", element("span", { class: link.state }, WORDS[link.state] + why));
  });
  return [element("h3", {}, title), items.length ? element("ul", {}, ...items) : element("p", {}, "none")];
}
