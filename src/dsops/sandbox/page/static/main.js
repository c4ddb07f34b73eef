// @ts-check
// Starts the page: polls for calls while its tab is shown, and opens the decision that is chosen.

import { Refusal, ask, takeToken } from "./ask.js";
import { Calls } from "./calls.js";
import { decisionView } from "./decision.js";
import { byId, element } from "./dom.js";
import { refresh, startEvents } from "./events.js";
import { startQuestion, startReset, startSave } from "./question.js";
import { drawWorld, startWorld } from "./world.js";

const POLL_MS = 300;
const RETRY_MS = 2000;

const calls = new Calls(open);
let after = 0;
let isPaused = false;

/** @param {number} number */
async function open(number) {
  const details = byId("details");
  try {
    details.replaceChildren(...decisionView(await ask(`decisions/${number}`)));
  } catch (error) {
    details.replaceChildren(element("p", {}, error instanceof Error ? error.message : String(error)));
  }
  byId("decision").focus({ preventScroll: false });
}

/** @param {string} text @param {boolean} isLost */
function tell(text, isLost = false) {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("lost", isLost);
}

/** Show one of the views. @param {string} name */
function show(name) {
  for (const button of document.querySelectorAll("nav button")) {
    const view = button.getAttribute("data-view") ?? "";
    button.setAttribute("aria-pressed", String(view === name));
    byId(view).toggleAttribute("hidden", view !== name);
  }
  if (name === "calls-view") calls.draw();
  if (name === "events-view") refresh();
  if (name === "world-view") drawWorld().catch((error) => tell(error.message, true));
}

async function poll() {
  isPaused = document.hidden;
  if (isPaused) return;
  let pause = POLL_MS;
  try {
    const answer = await ask(`decisions?rows=yes&after=${after}`);
    if (answer.next < after) calls.clear();
    else calls.add(answer.decisions);
    after = answer.next < after ? 0 : answer.next;
    byId("clock").textContent = answer.now;
    document.dispatchEvent(new CustomEvent("polled", { detail: answer }));
    tell("connected");
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal(0, String(error));
    tell(refusal.message, true);
    if (refusal.status === 403) return;
    pause = RETRY_MS;
  }
  setTimeout(poll, pause);
}

if (takeToken()) {
  document.querySelector("main")?.removeAttribute("hidden");
  startWorld();
  startEvents();
  startReset();
  startSave();
  startQuestion(() => show("question-view"));
  for (const button of document.querySelectorAll("nav button")) {
    button.addEventListener("click", () => show(button.getAttribute("data-view") ?? ""));
  }
  document.addEventListener("visibilitychange", () => {
    if (isPaused) poll();
  });
  await poll();
} else {
  tell("open the link that `dsops sandbox serve` printed: it has the token of this run", true);
}
