// @ts-check
// A picture of accounts: frames with users, providers and roles in layers, and trust as arrows from left to right.

import { arrowsOf, shape } from "./arrows.js";
import { element } from "./dom.js";

/**
 * @typedef {{name: string, ends: number}} Session
 * @typedef {{arn: string, name: string, kind: string, sessions: number, live: Session[], is_found: boolean}} Principal
 * @typedef {{account: string, count: number, principals: Principal[]}} Account
 * @typedef {{from: string, to: string, state: string, why: string[], conditions: string[]}} Link
 * @typedef {{now: number, accounts: Account[], beyond: Principal[], links: Link[], count: number, shown: number}} World
 * @typedef {{title: string, note: string, principals: Principal[]}} Frame
 */

const LAST_LAYER = 3;
const SHAPES = /** @type {Record<string, string>} */ ({
  user: "M8 2a3 3 0 1 1 0 6 3 3 0 0 1 0-6M2.5 14a5.5 4.6 0 0 1 11 0z",
  role: "M8 1.5 13.6 4.75v6.5L8 14.5 2.4 11.25v-6.5z",
  oidc: "M8 1.5 14.5 8 8 14.5 1.5 8z",
  saml: "M8 1.5 14.5 8 8 14.5 1.5 8z",
  service: "M2.5 3.5h11v9h-11z",
  outside: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6",
});
export const KINDS = /** @type {Record<string, string>} */ ({
  user: "user", role: "role", oidc: "OIDC provider", saml: "SAML provider", service: "AWS service", outside: "outside principal",
});

/** The sign of a kind of principal. @param {string} kind */
export function iconOf(kind) {
  const icon = shape("svg", { viewBox: "0 0 16 16", "aria-hidden": "true", class: `icon ${kind}` });
  icon.append(shape("path", { d: SHAPES[kind] }));
  return icon;
}

/**
 * The layer of each principal, from 0: users, providers and services; then the roles by the shortest chain to them.
 * @param {Principal[]} principals @param {Link[]} links
 */
export function layersOf(principals, links) {
  /** @type {Map<string, number>} */
  const layers = new Map();
  const targets = Map.groupBy(links, (link) => link.from);
  /** @param {string[]} begin @param {number} layer */
  const spread = (begin, layer) => {
    for (const arn of begin) layers.set(arn, layer);
    for (let at = begin, next = layer + 1; at.length; next += 1) {
      const found = at.flatMap((arn) => targets.get(arn) ?? []).map((link) => link.to).filter((arn) => !layers.has(arn));
      for (const arn of found) layers.set(arn, Math.min(next, LAST_LAYER));
      at = [...new Set(found)];
    }
  };
  spread(principals.filter((each) => each.kind !== "role").map((each) => each.arn), 0);
  const rest = () => principals.filter((each) => !layers.has(each.arn)).map((each) => each.arn);
  const isTarget = new Set(links.filter((link) => link.from !== link.to && !layers.has(link.from)).map((link) => link.to));
  spread(rest().filter((arn) => !isTarget.has(arn)), 1);
  spread(rest(), 1);
  return layers;
}

export class Picture {
  /** @param {HTMLElement} place @param {(arn: string) => void} choose @param {() => void} clear */
  constructor(place, choose, clear) {
    this.place = place;
    this.choose = choose;
    this.clear = clear;
    /** @type {Link[]} */
    this.links = [];
    /** @type {Map<string, HTMLElement>} */
    this.buttons = new Map();
    /** @type {Link[]} */
    this.way = [];
    this.from = this.to = this.pointed = "";
    this.arrows = shape("svg", { class: "arrows", "aria-hidden": "true" });
    this.note = element("p", { class: "quiet", hidden: "" }, "There are many arrows. Point at a principal, or choose it, to see its own.");
    this.labels = shape("svg", { class: "arrows labels", "aria-hidden": "true" });
    place.addEventListener("keydown", (event) => this.move(event));
    place.addEventListener("focusin", (event) => this.point(event.target));
    place.addEventListener("pointerover", (event) => this.point(event.target));
    place.addEventListener("pointerleave", () => this.point(document.activeElement));
    place.addEventListener("focusout", () => this.point(null));
    new ResizeObserver(() => this.drawArrows()).observe(place);
  }

  /** @param {Frame[]} frames @param {Link[]} links */
  draw(frames, links) {
    const focused = this.place.contains(document.activeElement) ? this.arnOf(document.activeElement) : "";
    const all = frames.flatMap((frame) => frame.principals);
    const layers = layersOf(all, links);
    this.links = links.filter((link) => link.from !== link.to);
    this.buttons = new Map();
    const count = Math.max(0, ...layers.values()) + 1;
    const order = new Map(all.map((each, at) => [each.arn, at]));
    const views = frames.map((frame) => this.frameView(frame, layers, count, order));
    this.place.replaceChildren(this.arrows, this.note, ...views, this.labels);
    this.place.style.setProperty("--layers", String(count));
    const first = this.buttons.get(focused) ?? this.buttons.get(this.from) ?? this.buttons.values().next().value;
    if (first) first.tabIndex = 0;
    if (focused) this.buttons.get(focused)?.focus({ preventScroll: true });
    this.show();
  }

  /** @param {Frame} frame @param {Map<string, number>} layers @param {number} count @param {Map<string, number>} order */
  frameView(frame, layers, count, order) {
    const columns = Array.from({ length: count }, (_, layer) => {
      const own = frame.principals.filter((each) => layers.get(each.arn) === layer);
      // A role stands beside those that can assume it, so that fewer arrows cross.
      const weight = new Map(own.map((each) => [each.arn, this.meanOrder(each.arn, order)]));
      own.sort((a, b) => (weight.get(a.arn) ?? 0) - (weight.get(b.arn) ?? 0));
      own.forEach((each, at) => order.set(each.arn, Math.min(...own.map((other) => order.get(other.arn) ?? 0)) + at / 1000));
      return element("ul", { class: "layer", "data-layer": String(layer) }, ...own.map((each) => element("li", {}, this.button(each))));
    });
    return element(
      "section",
      { class: "frame", "aria-label": frame.title },
      element("h3", {}, frame.title, " ", element("small", {}, frame.note)),
      element("div", { class: "layers" }, ...columns),
    );
  }

  /** @param {string} arn @param {Map<string, number>} order */
  meanOrder(arn, order) {
    const own = order.get(arn) ?? 0;
    const sources = this.links.filter((link) => link.to === arn).map((link) => order.get(link.from) ?? own);
    return sources.length ? sources.reduce((sum, each) => sum + each, 0) / sources.length : own;
  }

  /** @param {Principal} principal */
  button(principal) {
    const button = element(
      "button",
      { type: "button", class: `node ${principal.kind}`, "data-arn": principal.arn, title: principal.arn, tabindex: "-1" },
      iconOf(principal.kind), element("span", { class: "name" }, ...breakable(principal.name)), element("span", { class: "time" }),
    );
    button.classList.toggle("aside", !principal.is_found);
    button.addEventListener("click", () => this.choose(principal.arn));
    this.buttons.set(principal.arn, button);
    return button;
  }

  /** Mark the chosen principals and the way between them. @param {string} from @param {string} to @param {Link[]} way */
  mark(from, to, way) {
    this.from = from;
    this.to = to;
    this.way = way;
    this.show();
  }

  /** Show the time that a role's sessions have left. @param {string} arn @param {string} text @param {string} spoken */
  setTime(arn, text, spoken) {
    const button = this.buttons.get(arn);
    const time = button?.querySelector(".time");
    if (!button || !time) return;
    if (time.textContent !== text) time.textContent = text;
    time.classList.toggle("over", text === "expired");
    button.dataset.sessions = spoken;
  }

  /** @param {EventTarget | null} target */
  point(target) {
    const arn = target instanceof Element && this.place.contains(target) ? this.arnOf(target) : "";
    if (arn === this.pointed) return;
    this.pointed = arn;
    this.show();
  }

  /** Highlight what is chosen or pointed at, and draw the arrows. */
  show() {
    for (const [arn, button] of this.buttons) {
      const mark = arn === this.from ? "from" : arn === this.to ? "to" : "";
      button.dataset.mark = mark;
      button.setAttribute("aria-pressed", String(Boolean(mark)));
      button.classList.toggle("on-way", this.way.some((link) => link.from === arn || link.to === arn));
      button.setAttribute("aria-label", this.label(arn, button, mark));
    }
    this.drawArrows();
  }

  /** @param {string} arn @param {HTMLElement} button @param {string} mark */
  label(arn, button, mark) {
    const kind = [...button.classList].find((name) => name in KINDS) ?? "role";
    const come = this.links.filter((link) => link.to === arn).length;
    const go = this.links.filter((link) => link.from === arn).length;
    const arrows = `${come} arrows come in, ${go} go out`;
    const name = button.querySelector(".name")?.textContent ?? arn;
    return [`${KINDS[kind]} ${name}`, mark && `chosen as ${mark}`, button.dataset.sessions, arrows].filter(Boolean).join(", ");
  }

  drawArrows() {
    const width = this.place.clientWidth;
    const { left, top } = this.place.getBoundingClientRect();
    const boxes = new Map([...this.buttons].map(([arn, button]) => {
      const box = button.getBoundingClientRect();
      return [arn, new DOMRect(box.left - left, box.top - top, box.width, box.height)];
    }));
    // Without a way, the arrows of the principal that is pointed at or chosen stand out.
    const { lines, labels, isPart } = arrowsOf(this.links, boxes, this.way, this.pointed || (this.way.length ? "" : this.from), width);
    this.arrows.replaceChildren(...lines);
    this.labels.replaceChildren(...labels);
    this.note.hidden = !isPart;
  }

  /** Give the focus to the principal that Tab leads to. */
  focus() {
    [...this.buttons.values()].find((button) => button.tabIndex === 0)?.focus();
  }

  /** @param {Element | null} target */
  arnOf(target) {
    const button = target?.closest("button.node");
    return button instanceof HTMLElement ? button.dataset.arn ?? "" : "";
  }

  /** Move the focus with the arrow keys to the nearest principal in that direction. @param {KeyboardEvent} event */
  move(event) {
    if (event.key === "Escape") {
      this.clear();
      return;
    }
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const current = this.buttons.get(this.arnOf(document.activeElement));
    if (!step || !current) return;
    event.preventDefault();
    const box = current.getBoundingClientRect();
    let best = null;
    let shortest = Infinity;
    for (const button of this.buttons.values()) {
      const other = button.getBoundingClientRect();
      const [x, y] = [middle(other).x - middle(box).x, middle(other).y - middle(box).y];
      const along = x * step[0] + y * step[1];
      const aside = Math.abs(x * step[1]) + Math.abs(y * step[0]);
      const distance = along + aside * (step[0] ? 1 : 4);
      if (along > 8 && distance < shortest) [best, shortest] = [button, distance];
    }
    if (!best) return;
    current.tabIndex = -1;
    best.tabIndex = 0;
    best.focus();
  }
}

/** The name with places where a line may break. @param {string} name */
function breakable(name) {
  return name.split(/(?<=[./_-])/).flatMap((part, at) => (at ? [element("wbr"), part] : [part]));
}

/** @param {DOMRect} box */
function middle(box) {
  return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
}
