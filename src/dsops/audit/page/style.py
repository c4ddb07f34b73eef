"""The style sheet: one column, for any width, light and dark mode, and print."""

from __future__ import annotations

# Text has a contrast of at least 7 to 1 against its background (WCAG 2.2, 1.4.6), shapes at least 3 to 1; a test
# computes these contrasts.
LIGHT = {
    "paper": "#ffffff",
    "box": "#f4f6f8",
    "ink": "#1b1f24",
    "soft": "#4b545e",
    "line": "#d5dae0",
    "edge": "#57606a",
    "fill": "#2a6fb5",
    "bad": "#b3261e",
    "link": "#0b4a8f",
    "shade1": "#e8f0f9",
    "shade2": "#cfe0f3",
    "shade3": "#b3cfec",
    "shade4": "#98bfe6",
    "shade5": "#7fb0e0",
}
DARK = {
    "paper": "#0d1117",
    "box": "#161d27",
    "ink": "#f0f3f6",
    "soft": "#b3bcc6",
    "line": "#2d3642",
    "edge": "#8b96a3",
    "fill": "#6ea8e6",
    "bad": "#ff8a80",
    "link": "#9ac7ff",
    "shade1": "#14263b",
    "shade2": "#18314e",
    "shade3": "#1c3c61",
    "shade4": "#204773",
    "shade5": "#245285",
}
SHADES = ("shade1", "shade2", "shade3", "shade4", "shade5")


def _variables(palette: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in palette.items())


STYLE = (
    f"""
:root {{ color-scheme: light dark; {_variables(LIGHT)} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}
"""
    """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
main { max-width: 66rem; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 .75rem; letter-spacing: -0.005em; }
h3 { font-size: 1rem; margin: 2rem 0 .5rem; }
p { margin: 0 0 .75rem; max-width: 46rem; text-wrap: pretty; }
time span { white-space: nowrap; }
a { color: var(--link); }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
small, .period, .notes, .more, .legend, .account, .none, .path li::before { color: var(--soft); }
small { font-size: .85em; font-weight: normal; }
.account { font-variant-numeric: tabular-nums; font-size: .9em; white-space: nowrap; }
.period { margin: .25rem 0 0; font-variant-numeric: tabular-nums; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1.25rem 0 0; font-size: .9rem; }
nav a { text-decoration: none; }
nav a:hover, nav a:focus-visible { text-decoration: underline; }
main > section { border-top: 1px solid var(--line); margin-top: 2.75rem; padding-top: 2rem; }
.lead { font-size: 1.1rem; }
.more, .notes, .legend { font-size: .9rem; }
footer { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 1rem; font-size: .85rem;
  color: var(--soft); }

.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1rem 2rem; margin: 0 0 1.25rem; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.6rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tiles small { display: block; font-size: .8rem; line-height: 1.35; }
.warning { border-left: 4px solid var(--bad); background: var(--box); padding: .75rem 1rem; margin-top: 1.25rem; }
.warning h3 { margin-top: 0; }
.warning ul { margin: 0; padding-left: 1.1rem; }

.findings { list-style: none; margin: 0; padding: 0; }
.findings > li { display: grid; grid-template-columns: 5.5rem minmax(0, 1fr); gap: 0 1rem; padding: .9rem 0;
  border-top: 1px solid var(--line); }
.findings > li.others { display: block; padding-left: 6.5rem; color: var(--soft); font-size: .9rem; }
.findings p { margin: 0 0 .3rem; overflow-wrap: anywhere; }
.findings code { overflow-wrap: anywhere; }
.findings dl { display: grid; grid-template-columns: 8rem minmax(0, 1fr); gap: .15rem .75rem; margin: 0;
  font-size: .9rem; }
.findings dt { color: var(--soft); }
.findings dd { margin: 0; }
.findings dd code { background: var(--box); padding: .1rem .35rem; user-select: all; }
.severity { align-self: start; border: 2px solid var(--edge); border-radius: 3px; padding: .05rem .4rem;
  font-size: .8rem; text-align: center; text-transform: uppercase; letter-spacing: .03em; }
.high .severity { background: var(--bad); border-color: var(--bad); color: var(--paper); }
.medium .severity { border-color: var(--bad); color: var(--bad); }

.item { margin-top: 2rem; padding-left: 1.25rem; border-left: 3px solid var(--line); }
.item h3 { margin-top: 0; font-size: 1.1rem; }
.item caption, details caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.links { list-style: none; padding: 0; margin: 0 0 1rem; }
.links a { text-decoration: none; }
.links a:hover, .links a:focus-visible { text-decoration: underline; }
.well { list-style: none; padding: 0; margin: 2rem 0 0; color: var(--soft); }
.well li::before { content: "\\2713"; display: inline-block; width: 1.5rem; }
.well .unknown::before { content: "?"; }

table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: .75rem 0 .5rem; }
caption { text-align: left; color: var(--soft); font-size: .85rem; padding-bottom: .35rem; }
th { text-align: left; font-weight: 600; font-size: .85rem; vertical-align: bottom; }
th, td { padding: .4rem 1.25rem .4rem 0; border-bottom: 1px solid var(--line); }
td { vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
td.when { font-variant-numeric: tabular-nums; }
td.name { overflow-wrap: anywhere; min-width: 9rem; }
td small { display: block; }
td .account { display: inline-block; }
td > div > code { white-space: nowrap; }
.path { list-style: none; margin: 0; padding: 0; }
.path li + li::before { content: "\\203A\\00A0"; }
details { margin: 1rem 0 0; }
summary { cursor: pointer; color: var(--link); font-size: .9rem; }

.bars { list-style: none; margin: 1rem 0 0; padding: 0; }
.bars li { display: grid; grid-template-columns: minmax(0, 18rem) minmax(0, 1fr) 11rem; gap: 0 1.25rem;
  align-items: center; padding: .35rem 0; }
.bars .label { overflow-wrap: anywhere; line-height: 1.35; }
.bars .label .account { display: inline-block; }
.bars .value { font-variant-numeric: tabular-nums; line-height: 1.35; }
.bars .under { display: block; }
.bars .value { display: grid; grid-template-columns: 4rem minmax(0, 1fr); gap: 0 .75rem; align-items: baseline; }
.bars .value b { text-align: right; }
.uses .value { grid-template-columns: minmax(0, 1fr); }
.uses .value b { text-align: left; }
svg.bar { display: block; width: 100%; overflow: visible; }
svg.axis { display: block; overflow: visible; width: calc(100% - 31.5rem); margin-left: 19.25rem; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.track { fill: var(--box); stroke: var(--line); stroke-width: 1; background: var(--box); }
.fill { fill: var(--fill); background: var(--fill); }
.bad .fill { fill: var(--bad); }
.grid { stroke: var(--line); stroke-width: 1; }
.base, .mark { stroke: var(--edge); stroke-width: 1; }
.mark { stroke: var(--ink); stroke-width: 2; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.5rem; list-style: none; margin: 0; padding: 0; }
.key { display: inline-block; width: 1.1rem; height: .6rem; margin-right: .5rem; }
.key.track { border: 1px solid var(--edge); }
.key.mark { width: 2px; height: 1rem; background: var(--ink); vertical-align: -.2rem; }

.figures { display: grid; gap: 1.5rem; margin-top: 1.5rem; }
figure { margin: 0; }
figcaption { font-size: .9rem; color: var(--soft); margin-bottom: .5rem; }
figcaption b { color: var(--ink); }
svg.plot { display: block; overflow: visible; width: calc(100% - 3rem); margin-left: 3rem; }

.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.matrix { width: auto; font-size: .8rem; font-variant-numeric: tabular-nums; }
.matrix th, .matrix td { border: 1px solid var(--paper); padding: .25rem .4rem; text-align: right;
  font-weight: normal; }
.matrix td { min-width: 3rem; vertical-align: middle; background: var(--box); }
.matrix thead td { background: none; }
.matrix thead th span { writing-mode: vertical-rl; transform: rotate(180deg); }
.matrix tbody th { padding-right: .75rem; white-space: nowrap; vertical-align: middle; }
"""
    + "\n".join(f".matrix td.{shade} {{ background: var(--{shade}); }}" for shade in SHADES)
    + """
.chains { margin: 1rem 0 0; }
.chains svg { display: block; font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.chains text { fill: var(--ink); }
.chains .name, .chains .frame-name { font-weight: bold; }
.chains .box { fill: var(--box); stroke: var(--edge); }
.chains .caller .box { stroke-width: 2; }
.chains .edge, .chains .frame { fill: none; stroke: var(--edge); }
.chains .arrow { fill: var(--edge); }

@media (max-width: 46rem) {
  main { padding: 1.75rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
  .item { padding-left: .9rem; }
  .findings > li, .findings dl { display: block; }
  .findings > li.others { padding-left: 0; }
  .severity { display: inline-block; margin-bottom: .35rem; }
  .bars li { grid-template-columns: minmax(0, 1fr); gap: .2rem; padding: .55rem 0; }
  svg.axis { width: 100%; margin-left: 0; }
  svg.plot { width: calc(100% - 2.5rem); margin-left: 2.5rem; }
  .bars .value { display: block; }
  td > div > code { white-space: normal; }
}
@media screen and (min-width: 60.01rem) {
  table:not(.many) td.when { white-space: nowrap; }
}
@media screen and (max-width: 60rem) {
  /* Tables become cards: a row's names in lines of their own, its numbers with their columns' names before them. */
  table:not(.matrix), table:not(.matrix) tbody, table:not(.matrix) caption { display: block; }
  table:not(.matrix) thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table:not(.matrix) tr { display: block; border-bottom: 1px solid var(--line); padding: .6rem 0; }
  table:not(.matrix) td { display: grid; grid-template-columns: 8.5rem minmax(0, 1fr); border: 0; padding: .1rem 0;
    text-align: left; white-space: normal; }
  table:not(.matrix) td::before { content: attr(data-label); color: var(--soft); }
}
@media print {
  body { font-size: 11pt; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  table { font-size: 8.5pt; }
  th, td { padding-right: .6rem; }
  td.name { min-width: 5rem; }
  .findings > li, figure, .bars li, tr, .chains { break-inside: avoid; }
  .scroll { overflow: visible; }
  .chains svg { max-width: 100%; height: auto; }
  h2, h3, .next { break-after: avoid; }
  svg .fill, svg .track, .key, .matrix td { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  details::details-content { content-visibility: visible; height: auto; }
  summary { display: none; }
  details caption { position: static; width: auto; height: auto; clip-path: none; }
}
"""
)
