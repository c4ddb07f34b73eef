// @ts-check
// The view of the accounts: searches principals, draws them, and asks whether one of two chosen ones can become the other.

import { ask } from "./ask.js";
import { sandboxNow, startClock, takeTime } from "./clock.js";
import { byId, element } from "./dom.js";
import { KINDS, Picture, iconOf } from "./graph.js";
import { sessionsView, takeSessions, timeLeft } from "./sessions.js";
import { sentenceOf, shortName, stateOf, wayView } from "./way.js";

/** @typedef {import("./graph.js").Link} Link */
/** @typedef {import("./graph.js").World} World */
/** @typedef {import("./graph.js").Principal} Principal */
/** @typedef {import("./calls.js").Call} Call */

const TYPING_MS = 200;
const REDRAW_MS = 2000;
const JUMP_SECONDS = 5;
const EMPTY_FRAMES = 6;
const LISTED = 12;

/** @type {{from: string, to: string, way: import("./way.js").Way | null}} */
const chosen = { from: "", to: "", way: null };
/** @type {Map<string, Principal>} */
let drawn = new Map();
/** @type {Picture} */
let picture;
let timer = 0;
let asked = 0;
let isDue = false;

/** Prepare the view; it is drawn when it is shown. */
export function startWorld() {
  picture = new Picture(byId("picture"), choose, clear);
  const form = byId("search");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(timer);
    await drawWorld();
    picture.focus();
  });
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(drawWorld, TYPING_MS);
  });
  byId("turn").addEventListener("click", () => select(chosen.to, chosen.from));
  byId("forget").addEventListener("click", clear);
  byId("panel").addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
  });
  startClock(drawWorld);
  document.addEventListener("polled", (event) => polled(/** @type {CustomEvent} */ (event).detail));
  setInterval(redraw, REDRAW_MS);
}

/** Follow the sandbox: its clock, and calls that may have changed the picture. @param {{now: string, decisions: Call[]}} poll */
function polled(poll) {
  const jump = Math.abs(takeTime(poll.now));
  isDue ||= jump > JUMP_SECONDS || poll.decisions.some(mayChange);
  showTimes();
}

/** Whether the call may have changed the picture: principals, trust or sessions. @param {Call} call */
function mayChange(call) {
  return call.is_allowed && /^(sts|iam|organizations):(?!Get(?!SessionToken|FederationToken)|List|Describe|Simulate)/.test(call.action);
}

function redraw() {
  if (isDue && !byId("world-view").hidden && !document.hidden) drawWorld().catch(() => {}); // the poll tells that the sandbox is gone
}

/** Ask for the accounts, and draw them. */
export async function drawWorld() {
  isDue = false;
  const number = (asked += 1);
  const form = /** @type {HTMLFormElement} */ (byId("search"));
  const [search, account] = ["search", "account"].map((name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value);
  const kept = [chosen.from, chosen.to, ...(chosen.way?.steps.map((step) => step.to) ?? [])].filter(Boolean);
  const query = new URLSearchParams([["search", search], ["account", account], ...kept.map((arn) => ["with", arn])]);
  /** @type {World} */
  const world = await ask(`world?${query}`);
  if (number !== asked) return;
  const frames = framesOf(world, search, account);
  const all = frames.flatMap((frame) => frame.principals);
  drawn = new Map(all.map((each) => [each.arn, each]));
  takeSessions(all, world.now);
  offerAccounts(world, account);
  showKinds(all);
  byId("found").textContent = countText(world);
  picture.draw(frames, world.links);
  picture.mark(chosen.from, chosen.to, chosen.way?.steps ?? []);
  showTimes();
  requestAnimationFrame(() => setTimeout(() => performance.mark("world-drawn")));
}

/** @param {World} world @param {string} search @param {string} account */
function framesOf(world, search, account) {
  const isSmall = world.accounts.length <= EMPTY_FRAMES && !search && !account;
  const frames = world.accounts
    .filter((each) => each.principals.length || isSmall)
    .map((each) => ({ title: each.account, note: noteOf(each), principals: each.principals }));
  const beyond = { title: "Outside these accounts", note: "", principals: world.beyond };
  return world.beyond.length ? [...frames, beyond] : frames;
}

/** @param {import("./graph.js").Account} account */
function noteOf(account) {
  const found = account.principals.filter((each) => each.is_found).length;
  if (!account.principals.length) return "no users or roles";
  return found < account.count ? `${found} of ${account.count.toLocaleString("en")}` : "";
}

/** @param {World} world */
function countText(world) {
  const count = world.count.toLocaleString("en");
  if (!world.count) return "Nothing has such a name.";
  if (world.shown < world.count) return `${world.shown} of ${count} are drawn. Search by name, or choose an account, to see others.`;
  return world.count === 1 ? "1 principal" : `${count} principals`;
}

/** Explain the signs that are in the picture. @param {Principal[]} principals */
function showKinds(principals) {
  const kinds = new Set(principals.map((each) => each.kind));
  byId("kinds").replaceChildren(...Object.keys(KINDS).filter((kind) => kinds.has(kind)).map((kind) => element("li", {}, iconOf(kind), KINDS[kind])));
}

/** @param {World} world @param {string} current */
function offerAccounts(world, current) {
  const list = /** @type {HTMLSelectElement} */ (byId("account"));
  const accounts = world.accounts.map((each) => each.account);
  if ([...list.options].slice(1).map((option) => option.value).join() === accounts.join()) return;
  list.replaceChildren(element("option", { value: "" }, "all"), ...accounts.map((each) => element("option", { value: each }, each)));
  list.value = current;
}

function showTimes() {
  if (byId("world-view").hidden) return;
  for (const arn of drawn.keys()) picture.setTime(arn, ...timeLeft(arn, sandboxNow()));
  const one = chosen.to || chosen.from;
  const [place, view] = [byId("sessions"), one ? sessionsView(one, sandboxNow()) : []];
  if (place.textContent !== view.map((part) => part.textContent).join("")) place.replaceChildren(...view);
}

/** Take the principal as the first or the second end of the question. @param {string} arn */
function choose(arn) {
  if (chosen.to || !chosen.from) select(arn, "");
  else if (arn === chosen.from) clear();
  else select(chosen.from, arn);
}

function clear() {
  const isInPanel = byId("panel").contains(document.activeElement);
  select("", "");
  if (isInPanel) picture.focus();
}

/** @param {string} from @param {string} to */
async function select(from, to) {
  Object.assign(chosen, { from, to, way: null });
  byId("panel").classList.toggle("used", Boolean(from));
  byId("to").classList.toggle("empty", !to);
  byId("from").textContent = from ? shortName(from) : "none";
  byId("to").textContent = to ? shortName(to) : "none";
  byId("hint").textContent = to ? "" : from ? "Now choose the role that it shall become." : "Choose a principal, then the role that it shall become.";
  byId("turn").toggleAttribute("hidden", !to);
  byId("forget").toggleAttribute("hidden", !from);
  byId("answer").replaceChildren();
  byId("linked").replaceChildren();
  byId("told").textContent = from && !to ? `${shortName(from)} is chosen. Now choose the role that it shall become.` : "";
  picture.mark(from, to, []);
  showTimes();
  try {
    if (to) await showWay(from, to);
    else if (from) await showLinks(from);
  } catch (error) {
    byId("answer").replaceChildren(element("p", { class: "denied" }, error instanceof Error ? error.message : String(error)));
  }
}

/** @param {string} from @param {string} to */
async function showWay(from, to) {
  /** @type {import("./way.js").Way} */
  const way = await ask(`way?${new URLSearchParams({ from, to })}`);
  if (from !== chosen.from || to !== chosen.to) return;
  chosen.way = way;
  byId("answer").replaceChildren(...wayView(way));
  byId("told").textContent = sentenceOf(way);
  if (way.steps.every((step) => drawn.has(step.to))) picture.mark(from, to, way.steps);
  else await drawWorld();
}

/** @param {string} arn */
async function showLinks(arn) {
  const links = await ask(`links?${new URLSearchParams({ arn })}`);
  if (arn !== chosen.from || chosen.to) return;
  byId("linked").replaceChildren(
    element("p", { class: "arn" }, element("code", {}, arn)),
    ...listView("It can become", links.to, "to", arn),
    ...(arn.includes(":role/") ? listView("Who can become it", links.from, "from", arn) : []),
  );
}

/** @param {string} title @param {Link[]} links @param {"from" | "to"} end @param {string} own */
function listView(title, links, end, own) {
  const items = links.filter((link) => link[end] !== own).slice(0, LISTED).map((link) => {
    const button = element("button", { type: "button", class: "plain" }, shortName(link[end]));
    button.addEventListener("click", () => select(link.from, link.to));
    return element("li", {}, button, " ", element("span", { class: link.state }, stateOf(link)));
  });
  const more = links.length > LISTED ? [element("p", { class: "quiet" }, `and ${links.length - LISTED} more`)] : [];
  return [element("h3", {}, title), items.length ? element("ul", {}, ...items) : element("p", { class: "quiet" }, "none"), ...more];
}
