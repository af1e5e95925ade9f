-- Reports: how the page looks.  Text has a contrast of 4.5 to 1 and more, in light and in dark.

CREATE FUNCTION report_style() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $css$
:root { color-scheme: light dark;
  --page: #f6f7f8; --card: #ffffff; --ink: #171a1f; --soft: #59616d; --line: #dfe3e8; --tick: #e9ecf0; --zero: #8b94a1;
  --good: #0b7350; --bad: #b3261e; --wait: #875300; --open: #56606d; --accent: #2553c4;
  --good-tint: #e6f4ee; --bad-tint: #fdecea; --wait-tint: #fdf2dd; --open-tint: #eef0f3; --band: #d5e0fa; }
@media (prefers-color-scheme: dark) { :root {
  --page: #101317; --card: #181c22; --ink: #eceef1; --soft: #a3acb8; --line: #2d343d; --tick: #252b33; --zero: #75808d;
  --good: #57cf9c; --bad: #ff8f85; --wait: #f0b849; --open: #a9b2be; --accent: #8fb0ff;
  --good-tint: #12352a; --bad-tint: #43201e; --wait-tint: #3b2d10; --open-tint: #272d35; --band: #26375e; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5; overflow-wrap: break-word;
  font-family: Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 1rem; }
main, footer { max-width: 64rem; margin: 0 auto; padding: 0 2rem; }
bdi { overflow-wrap: anywhere; }
.scroll bdi { overflow-wrap: break-word; }
h1 { font-size: 2.25rem; line-height: 1.15; letter-spacing: -0.02em; margin: 0.25rem 0 0.5rem; }
h2 { font-size: 1.375rem; line-height: 1.3; letter-spacing: -0.01em; margin: 0 0 1rem; }
h3 { font-size: 1.0625rem; margin: 0 0 0.5rem; }
p { margin: 0 0 0.75rem; }
small, .soft, .legend, .eyebrow { color: var(--soft); }
small { font-size: 0.8125rem; font-weight: 400; }
.eyebrow { font-size: 0.875rem; margin: 0; }
.lead { font-size: 1.125rem; max-width: 44rem; color: var(--soft); }
.soft { font-size: 0.9375rem; max-width: 48rem; }
header { padding: 3rem 0 0.5rem; }
section { padding: 1.75rem 0; border-top: 1px solid var(--line); }
header + section { border-top: 0; }
.facts { display: flex; flex-wrap: wrap; gap: 0.75rem 2.5rem; margin: 1.25rem 0 0; }
dt { font-size: 0.8125rem; color: var(--soft); }
dd { margin: 0; }
.facts dd { font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); gap: 1rem; }
.card, .decided { background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem; padding: 1.25rem 1.5rem; break-inside: avoid; }
.card { border-top: 4px solid var(--open); border-radius: 0.25rem 0.25rem 0.75rem 0.75rem; }
.card.good { border-top-color: var(--good); } .card.bad { border-top-color: var(--bad); } .card.wait { border-top-color: var(--wait); }
.card h3 { color: var(--soft); font-weight: 500; margin: 0; }
.decided { margin-bottom: 1.25rem; border-left: 4px solid var(--open); border-radius: 0.25rem 0.75rem 0.75rem 0.25rem; }
.decided.good { border-left-color: var(--good); } .decided.bad { border-left-color: var(--bad); } .decided.wait { border-left-color: var(--wait); }
.decided p:last-child { margin: 0; }
.verdict .pill { font-size: 1.0625rem; padding: 0.25rem 0.875rem; }
.verdict { margin: 0.5rem 0 0.75rem; }
.headline b { display: block; font-size: 2.25rem; line-height: 1.2; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.headline span { color: var(--soft); font-size: 0.9375rem; }
.card ul { margin: 0; padding: 0.75rem 0 0; list-style: none; border-top: 1px solid var(--line); font-size: 0.9375rem; }
.card li { padding-left: 1.125rem; position: relative; }
.card li::before { content: "\2022"; position: absolute; left: 0.125rem; color: var(--zero); }
.card li + li { margin-top: 0.3125rem; }
.pill { display: inline-block; white-space: nowrap; border-radius: 1rem; padding: 0.0625rem 0.625rem; font-size: 0.8125rem; font-weight: 600;
  color: var(--open); background: var(--open-tint); }
.pill.good { color: var(--good); background: var(--good-tint); } .pill.bad { color: var(--bad); background: var(--bad-tint); }
.pill.wait { color: var(--wait); background: var(--wait-tint); }
table { border-collapse: collapse; width: 100%; font-size: 0.9375rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: 0.875rem; padding: 0 0 0.5rem; }
th, td { text-align: left; vertical-align: baseline; padding: 0.5rem 1rem 0.5rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 500; }
thead th { font-size: 0.8125rem; color: var(--soft); vertical-align: bottom; }
td:last-child, th:last-child { padding-right: 0; }
.num { text-align: right; }
th.num { white-space: nowrap; }
td.num { white-space: nowrap; }
.scroll { overflow-x: auto; margin: 0 0 1.25rem; }
.scroll table { width: auto; min-width: min(100%, 34rem); }
.forest th, .forest td { vertical-align: middle; padding-top: 0; padding-bottom: 0; border-bottom: 0; }
.forest tbody { border-top: 1px solid var(--line); }
.forest tbody:last-child { border-bottom: 1px solid var(--line); }
.forest thead th { padding-bottom: 0.25rem; }
.forest .group { min-width: 7rem; font-weight: 600; vertical-align: top; padding-top: 0.6rem; padding-bottom: 0.6rem; line-height: 1.3; max-width: 11rem; }
.forest .variant { min-width: 8rem; max-width: 11rem; }
.forest .figure { width: 42%; padding: 0 2rem 0 1.25rem; }
.forest .effect { line-height: 1.2; }
.forest .effect small { font-size: 0.75rem; }
svg { display: block; overflow: visible; }
svg.lines { overflow: hidden; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.tick { stroke: var(--tick); } .zero { stroke: var(--zero); }
.bar { color: var(--open); } .bar.good { color: var(--good); } .bar.bad { color: var(--bad); }
.bar .interval, .end path { stroke: currentColor; stroke-width: 2.5; fill: none; }
.bar circle, .mark path, .legend .bar path { fill: currentColor; stroke: var(--page); stroke-width: 1.5; }
.bar.open circle { fill: var(--page); stroke: currentColor; stroke-width: 2.5; }
.margin { stroke: var(--wait); stroke-width: 2; stroke-dasharray: 3 3; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; font-size: 0.875rem; margin: 0.75rem 0; }
.legend span { display: inline-flex; align-items: center; gap: 0.375rem; }
.legend svg { flex: none; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1.5rem 2.5rem; }
.chart { margin: 0; break-inside: avoid; min-width: 0; }
.chart figcaption { font-variant-numeric: tabular-nums; margin-bottom: 0.75rem; }
.chart .plot { padding: 0 0.5rem 1.75rem 3.5rem; }
.band { fill: var(--band); }
.line { fill: none; stroke: var(--accent); stroke-width: 2.5; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.only { stroke: var(--accent); stroke-width: 2.5; }
.dot circle { fill: var(--accent); stroke: var(--page); stroke-width: 1.5; }
.dot.partial circle { fill: var(--page); stroke: var(--accent); stroke-width: 2.5; }
details { margin-top: 0.75rem; }
details + details { margin-top: 0; border-top: 1px solid var(--line); }
summary { cursor: pointer; color: var(--accent); font-weight: 500; font-size: 0.9375rem; padding: 0.5rem 0; }
details > :nth-child(2) { margin: 0.25rem 0 1.25rem; }
.notes { display: grid; gap: 0.625rem; margin: 0; font-size: 0.9375rem; }
.notes div { display: grid; grid-template-columns: 10rem 1fr; gap: 0 1.5rem; }
.notes dt { font-size: inherit; }
.notes dd { max-width: 46rem; }
footer { color: var(--soft); font-size: 0.875rem; padding-top: 1rem; padding-bottom: 3rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.only-phone { display: none; }
@media (max-width: 46rem) {
  main, footer { padding: 0 1rem; }
  header { padding-top: 1.5rem; }
  h1 { font-size: 1.75rem; }
  .facts { gap: 0.625rem 1.75rem; }
  .card { padding: 1rem; }
  .forest, .forest thead, .forest tbody, .forest caption { display: block; }
  .forest thead th:not(.figure) { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .forest thead tr, .forest thead .figure { display: block; width: auto; }
  .forest tbody { padding: 0.75rem 0 0.5rem; }
  .forest tbody tr { display: grid; grid-template-columns: 1fr auto; gap: 0 0.75rem; align-items: baseline; padding-bottom: 0.75rem; }
  .forest th, .forest td { padding: 0; display: block; max-width: none; }
  .forest .group, .forest .variant { min-width: 0; }
  .forest .group { grid-column: 1 / -1; padding: 0 0 0.375rem; }
  .forest .group br, .forest .effect br { display: none; }
  .forest .group small, .forest .effect small { margin-left: 0.375rem; font-size: 0.8125rem; }
  .forest .effect { order: 1; }
  .forest .figure { order: 2; grid-column: 1 / -1; width: auto; padding: 0 1.25rem; }
  .forest .p { order: 3; text-align: left; color: var(--soft); font-size: 0.8125rem; }
  .forest .outcome { order: 4; justify-self: end; }
  .only-phone { display: inline; }
  .notes div { grid-template-columns: 1fr; }
}
@media print {
  body { background: #ffffff; font-size: 0.875rem; }
  main, footer { max-width: none; padding: 0; }
  header { padding-top: 0; }
  section { break-inside: auto; }
  h2, h3, caption { break-after: avoid; }
  tr { break-inside: avoid; }
}
$css$;
COMMENT ON FUNCTION report_style() IS 'the style sheet of the page';
