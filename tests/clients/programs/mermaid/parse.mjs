// A flowchart on stdin -> what Mermaid understood of it, as JSON. It wants a browser; jsdom is as much of one as parsing needs.
import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<body></body>");
Object.assign(globalThis, { window, document: window.document });
for (const name of ["Element", "HTMLElement", "Node", "DOMParser", "SVGElement"]) globalThis[name] = window[name];

const { default: mermaid } = await import("mermaid");
const text = readFileSync(0, "utf8");
await mermaid.parse(text);  // loads the kinds of diagrams
const { db, type } = await mermaid.mermaidAPI.getDiagramFromText(text);
console.log(JSON.stringify({
  type,
  title: db.getAccTitle(),
  boxes: [...db.getVertices().values()].map(({ id, text, classes }) => ({ id, text, classes })),
  edges: db.getEdges().map(({ start, end, stroke }) => ({ start, end, stroke })),
  groups: db.getSubGraphs().map(({ title, nodes }) => ({ title, nodes })),
}));
