// @ts-check
// The trust between principals as arrows with labels, drawn as SVG between boxes.

/** @typedef {import("./graph.js").Link} Link */

const SVG = "http://www.w3.org/2000/svg";
const MOST_ARROWS = 250;
const MOST_ARROWS_NARROW = 40;
const MOST_LABELS = 12;
const LABEL_LETTERS = 18;
const LETTER_WIDTH = 6.4;
const NARROW = 560;
const STATES = ["allowed", "conditional", "denied"];
const SHORT = /** @type {Record<string, string>} */ ({
  "sts:externalid": "external ID", "service control policy": "SCP", "resource control policy": "RCP",
});

/** What a link lacks or what refuses it, in a few words: `MFA`, `external ID`, `SCP`, or condition keys. @param {Link} link */
export function lacks(link) {
  const words = link.why.map((key) => {
    const lower = key.toLowerCase();
    if (lower.startsWith("aws:multifactorauth")) return "MFA";
    // The keys of an identity provider are its host name and the name of a claim.
    return SHORT[lower] ?? key.replace(/^[^:]*\..*:/, "claim ");
  });
  return [...new Set(words)].join(" + ");
}

/**
 * The arrows between the boxes. Those of the way, and those from and to `eye`, stand out; of many, only those are drawn.
 * @param {Link[]} links @param {Map<string, DOMRect>} boxes @param {Link[]} way @param {string} eye @param {number} width
 */
export function arrowsOf(links, boxes, way, eye, width) {
  const onWay = new Set(way.map((link) => `${link.from} ${link.to}`));
  /** @param {Link} link */
  const isOn = (link) => onWay.has(`${link.from} ${link.to}`) || (eye !== "" && (link.from === eye || link.to === eye));
  const isCalm = !eye && !way.length;
  const hasLabels = isCalm && width > NARROW && links.filter((link) => link.state !== "allowed").length <= MOST_LABELS;
  /** @type {SVGElement[]} */
  const lines = [];
  /** @type {SVGElement[]} */
  const above = [];
  /** @type {SVGElement[]} */
  const labels = [];
  const isPart = links.length > (width > NARROW ? MOST_ARROWS : MOST_ARROWS_NARROW);
  for (const link of isPart ? links.filter(isOn) : links) {
    const [from, to] = [boxes.get(link.from), boxes.get(link.to)];
    if (!from || !to) continue;
    const view = isCalm ? "" : isOn(link) ? " on" : " off";
    const curve = curveOf(from, to);
    const line = shape("path", { d: curve.d, class: `arrow ${link.state}${view}`, "marker-end": `url(#tip-${link.state})` });
    (isOn(link) ? above : lines).push(line);
    if (link.state !== "allowed" && (isOn(link) || hasLabels)) labels.push(labelOf(link, curve, width));
  }
  return { lines: [tips(), ...lines, ...above], labels, isPart };
}

/** @param {Link} link @param {{x: number, y: number}} curve @param {number} width */
function labelOf(link, curve, width) {
  const words = `${link.state === "denied" ? "× " : ""}${lacks(link)}`;
  const label = words.length > LABEL_LETTERS ? `${words.slice(0, LABEL_LETTERS - 1)}…` : words;
  const half = (label.length * LETTER_WIDTH) / 2;
  const text = shape("text", { x: String(Math.min(curve.x, width - half - 2)), y: String(curve.y), class: `arrow-label ${link.state}` });
  text.textContent = label;
  return text;
}

/**
 * The curve between two boxes: from right to left, or around on the right side if the target is not to the right.
 * @param {DOMRect} from @param {DOMRect} to
 */
function curveOf(from, to) {
  const begin = { x: from.right, y: from.top + from.height / 2 };
  const isAhead = to.left > from.right + 12;
  const end = { x: isAhead ? to.left - 2 : to.right + 2, y: to.top + to.height / 2 };
  const distance = Math.abs(end.y - begin.y);
  const bend = isAhead ? Math.max(24, (end.x - begin.x) * 0.45) : Math.min(30, 14 + distance / 12);
  const first = isAhead ? begin.x + bend : Math.max(begin.x, end.x) + bend;
  const second = isAhead ? end.x - bend : first;
  const d = `M${begin.x} ${begin.y}C${first} ${begin.y} ${second} ${end.y} ${end.x} ${end.y}`;
  return { d, x: (begin.x + 3 * first + 3 * second + end.x) / 8, y: (begin.y + end.y) / 2 };
}

/** The arrowheads. */
function tips() {
  const heads = STATES.map((state) => {
    const head = shape("marker", { id: `tip-${state}`, viewBox: "0 0 8 8", refX: "7", refY: "4", markerWidth: "8", markerHeight: "8",
      markerUnits: "userSpaceOnUse", orient: "auto" });
    head.append(shape("path", { d: "M0 .8 7.5 4 0 7.2z", class: `tip ${state}` }));
    return head;
  });
  const made = shape("defs", {});
  made.append(...heads);
  return made;
}

/** @param {string} name @param {Record<string, string>} attributes */
export function shape(name, attributes) {
  const made = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
