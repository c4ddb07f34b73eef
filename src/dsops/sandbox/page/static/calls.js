// @ts-check
// The list of calls: the newest first, filtered, at most as many rows as a person reads.

import { byId, element } from "./dom.js";

/**
 * @typedef {{number: number, time: string, caller: string, action: string, resource: string, is_allowed: boolean,
 *   effect: string, decided_by: string, policy: string}} Call
 */

const KEPT = 1000; // as many as the sandbox keeps
const SHOWN = 200;

export class Calls {
  /** @param {(number: number) => void} open called with the number of the chosen call */
  constructor(open) {
    /** @type {Call[]} */
    this.calls = [];
    this.open = open;
    this.current = 0;
    this.isDue = false;
    this.list = byId("rows");
    this.form = /** @type {HTMLFormElement} */ (byId("filter"));
    this.form.addEventListener("input", () => this.draw());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.list.addEventListener("keydown", (event) => this.move(event));
    this.draw();
  }

  /** @param {Call[]} calls the new calls, oldest first */
  add(calls) {
    if (!calls.length) return;
    this.calls = [...calls.toReversed(), ...this.calls].slice(0, KEPT);
    this.draw();
  }

  clear() {
    this.calls = [];
    this.draw();
  }

  /** Draw the list once before the next frame, if it is shown. */
  draw() {
    if (this.isDue || byId("calls-view").hidden) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      if (!this.field("paused").checked || this.list.childElementCount === 0) this.redraw();
    });
  }

  redraw() {
    const meant = this.calls.filter((call) => this.isMeant(call));
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.number : undefined;
    this.list.replaceChildren(...meant.slice(0, SHOWN).map((call) => this.row(call)));
    if (focused) this.button(Number(focused))?.focus({ preventScroll: true });
    const all = this.calls.length;
    byId("count").textContent =
      all === 0 ? "No calls yet. In another terminal: eval \"$(dsops sandbox env)\", then any AWS command."
      : `${Math.min(meant.length, SHOWN)} of ${all} kept calls`;
  }

  /** @param {Call} call */
  isMeant(call) {
    const outcome = /** @type {HTMLSelectElement} */ (this.form.elements.namedItem("outcome")).value;
    return (
      has(call.caller, this.field("caller").value) &&
      has(call.action, this.field("action").value) &&
      (outcome === "" || call.is_allowed === (outcome === "allowed"))
    );
  }

  /** @param {string} name */
  field(name) {
    return /** @type {HTMLInputElement} */ (this.form.elements.namedItem(name));
  }

  /** @param {Call} call */
  row(call) {
    const word = call.is_allowed ? "allowed" : "denied";
    const button = element(
      "button",
      { type: "button", "data-number": String(call.number), "aria-current": String(call.number === this.current) },
      element("span", { class: word }, word),
      element("span", { class: "what" }, `${call.action}`),
      element("span", { class: "where" }, call.resource),
      element("span", { class: "who" }, `${call.time.slice(11, 19)} ${call.caller || "anonymous"}`),
    );
    button.addEventListener("click", () => this.choose(call.number));
    return element("li", {}, button);
  }

  /** @param {number} number */
  choose(number) {
    this.button(this.current)?.setAttribute("aria-current", "false");
    this.current = number;
    this.button(number)?.setAttribute("aria-current", "true");
    this.open(number);
  }

  /** @param {number} number */
  button(number) {
    return /** @type {HTMLElement | null} */ (this.list.querySelector(`[data-number="${number}"]`));
  }

  /** Move the focus with the arrow keys. @param {KeyboardEvent} event */
  move(event) {
    const item = document.activeElement?.closest("li");
    const next = event.key === "ArrowDown" ? item?.nextElementSibling
      : event.key === "ArrowUp" ? item?.previousElementSibling : null;
    const button = next?.querySelector("button");
    if (!button) return;
    event.preventDefault();
    button.focus();
  }
}

/** @param {string} text @param {string} part */
function has(text, part) {
  return text.toLowerCase().includes(part.trim().toLowerCase());
}
