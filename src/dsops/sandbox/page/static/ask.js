// @ts-check
// Asks the sandbox's control endpoints with the token of this run.

const KEPT = "dsops-sandbox-page-token";

/** Why the sandbox refused or did not answer. */
export class Refusal extends Error {
  /** @param {number} status 0 if there was no answer @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Take the token from the link, so that neither the address bar nor the history shows it. */
export function takeToken() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEPT) ?? "";
}

/**
 * Call an endpoint, and return its JSON. Throws a Refusal.
 * @param {string} path the endpoint's path after `/_sandbox/`
 * @param {object} [body] sent with POST
 */
export async function ask(path, body) {
  const headers = { "X-Sandbox-Page-Token": takeToken() };
  let answer;
  try {
    answer = await fetch(`/_sandbox/${path}`, {
      method: body ? "POST" : "GET",
      headers,
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(10000),
    });
  } catch {
    throw new Refusal(0, "the sandbox does not answer");
  }
  const content = await answer.json();
  if (!answer.ok) throw new Refusal(answer.status, String(content.error));
  return content;
}
