// @ts-check
// The sandbox's clock: shows it, counts down by it, and moves it forward. The machine's clock stays as it is.

import { ask } from "./ask.js";
import { byId } from "./dom.js";

const UNITS = /** @type {Record<string, number>} */ ({ d: 86400, h: 3600, m: 60, min: 60, s: 1 });

let current = 0;
let frozen = "";

/** The sandbox's time at the last poll, in seconds since 1970. */
export function sandboxNow() {
  return current;
}

/** Take the time of a poll. Return by how many seconds it differs from the last one. @param {string} time */
export function takeTime(time) {
  const before = current;
  current = Date.parse(time) / 1000;
  if (frozen !== time) byId("world-clock").textContent = time.replace("T", " ").replace("Z", "");
  frozen = time;
  return before ? current - before : 0;
}

/**
 * Seconds from a text such as `90`, `45m` or `2h 30m`; NaN for another text. A bare number means minutes.
 * @param {string} text
 */
export function secondsOf(text) {
  const given = text.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(given)) return Number(given) * 60;
  if (!/^(\d+(\.\d+)?\s*(d|h|min|m|s)\s*)+$/.test(given)) return NaN;
  return [...given.matchAll(/(\d+(?:\.\d+)?)\s*(d|h|min|m|s)/g)].reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit], 0);
}

/** Prepare the buttons and the field. @param {() => Promise<void>} moved called after a move */
export function startClock(moved) {
  const form = /** @type {HTMLFormElement} */ (byId("move-clock"));
  const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("by"));
  for (const button of form.querySelectorAll("button[data-by]")) {
    button.addEventListener("click", () => move(button.getAttribute("data-by") ?? "", moved));
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await move(field.value, moved)) field.value = "";
  });
}

/** @param {string} text @param {() => Promise<void>} moved */
async function move(text, moved) {
  const note = byId("clock-note");
  const until = /^\d{4}-\d\d-\d\d/.test(text.trim()) ? Date.parse(text.trim().replace(" ", "T").replace(/Z?$/i, "Z")) / 1000 : NaN;
  const seconds = Number.isNaN(until) ? secondsOf(text) : until - current;
  if (!(seconds > 0)) {
    note.classList.remove("spoken");
    note.textContent = Number.isNaN(seconds) ? "write 45m, 2h 30m, 1d, or a time such as 2030-01-01 12:00"
      : "the page moves the clock forward only";
    return false;
  }
  try {
    const answer = await ask("clock", { advance_seconds: seconds });
    takeTime(answer.now);
    await moved();
    note.classList.add("spoken"); // the clock shows it
    note.textContent = `moved to ${answer.now.replace("T", " ").replace("Z", "")} UTC`;
    return true;
  } catch (error) {
    note.classList.remove("spoken");
    note.textContent = error instanceof Error ? error.message : String(error);
    return false;
  }
}

/** Seconds as `1 h 05 min` or `04:59`. @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(whole / 60);
  /** @param {number} number */
  const two = (number) => String(number).padStart(2, "0");
  return minutes >= 60 ? `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min` : `${two(minutes)}:${two(whole % 60)}`;
}
