"""Colours, style sheet and the little script of the page."""

from __future__ import annotations

from collections.abc import Mapping

# Every pair (text, ground) in PAIRS has a contrast of 4.5 or more in both; a test computes them.
LIGHT: Mapping[str, str] = {
    "ground": "#ffffff",
    "panel": "#f3f5f7",
    "line": "#c9d0d6",
    "text": "#1b1f23",
    "quiet": "#505a63",
    "link": "#0b5394",
    "good": "#17603a",
    "bad": "#9c1c1c",
    "even": "#0b4f7d",
    "open": "#5c4b00",
}
DARK: Mapping[str, str] = {
    "ground": "#14181c",
    "panel": "#1f252b",
    "line": "#434d57",
    "text": "#e6eaee",
    "quiet": "#a9b4be",
    "link": "#8cc2f5",
    "good": "#7fd6a4",
    "bad": "#ff9d95",
    "even": "#8cc2f5",
    "open": "#e5c95c",
}
PAIRS = [
    (text, ground)
    for text in ("text", "quiet", "link", "good", "bad", "even", "open")
    for ground in ("ground", "panel")
]

_RULES = """
*{box-sizing:border-box}
html{color-scheme:light dark}
body{margin:0;background:var(--ground);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
main,header,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
h1{font-size:1.7rem;line-height:1.25;margin:1.5rem 0 .5rem}
h2{font-size:1.35rem;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:2px solid var(--line)}
h3{font-size:1.1rem;margin:1.75rem 0 .5rem}
h4{font-size:1rem;margin:1.25rem 0 .25rem}
h1,h2,h3,h4,p,li,dd,summary{overflow-wrap:anywhere}
p,ul{max-width:60rem}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:var(--panel);border:1px solid var(--line);padding:.6rem .8rem;overflow-x:auto}
.quiet{color:var(--quiet)}
.scroll{overflow-x:auto;max-width:100%;margin:.5rem 0 1rem;border:1px solid var(--line)}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;width:100%}
caption{text-align:left;font-weight:600;padding:.5rem .6rem}
th,td{padding:.3rem .6rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
thead th{background:var(--panel);vertical-align:bottom;min-width:4.5rem}
th.number,td.number{text-align:right}
td.number{white-space:nowrap}
td.long{min-width:18rem;overflow-wrap:anywhere}
tbody th{font-weight:500;white-space:nowrap}
tbody th[scope=rowgroup]{background:var(--panel);font-weight:600}
th button{font:inherit;font-weight:600;color:inherit;background:none;border:0;padding:0}
th button{text-align:inherit;cursor:pointer}
th button::after{content:"\\a0\\2195";color:var(--quiet)}
th[aria-sort=ascending] button::after{content:"\\a0\\2191"}
th[aria-sort=descending] button::after{content:"\\a0\\2193"}
.verdict{font-weight:600;white-space:nowrap}
.better{color:var(--good)}.supported{color:var(--good)}
.worse{color:var(--bad)}.refuted{color:var(--bad)}.failed{color:var(--bad)}.diverged{color:var(--bad)}
.within{color:var(--even)}
.undetermined{color:var(--open)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:1rem}
.cards{padding:0;list-style:none;max-width:none}
.cards li{background:var(--panel);border:1px solid var(--line);padding:.8rem 1rem}
.cards h3{margin:0 0 .25rem}
.cards li{min-width:0}
.cards dl{grid-template-columns:6.5rem 1fr;font-size:.9rem}
dl{display:grid;grid-template-columns:minmax(5rem,max-content) 1fr;gap:.1rem .8rem;margin:.5rem 0}
dt{color:var(--quiet)}
dd{margin:0}
figure{margin:1.5rem 0 0}
figure img{display:block;max-width:100%;height:auto;background:#fff}
figure img{padding:.5rem;border:1px solid var(--line)}
figcaption{margin-top:.4rem;max-width:60rem}
details{margin:.4rem 0}
summary{cursor:pointer;color:var(--link)}
footer{margin-top:3rem;padding-bottom:2rem;border-top:1px solid var(--line)}
@media (max-width:40rem){body{font-size:.95rem}dl{grid-template-columns:1fr}dd{margin-bottom:.3rem}}
@media print{.scroll{overflow:visible}th button::after{content:""}}
"""

# Sorting by a column: the heading's text becomes a button. Numbers sort as numbers, and missing ones last;
# rows stay in their group.
SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      for (const body of table.tBodies) {
        const rows = [...body.rows].filter((row) => row.cells.length === heads.length);
        const key = (row) => row.cells[column].textContent.trim();
        const missing = (value) => value === "" || value === "-";
        rows.sort((a, b) => {
          const x = key(a), y = key(b);
          if (missing(x) || missing(y)) return missing(x) - missing(y);
          const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
          return down ? -order : order;
        });
        body.append(...rows);
      }
    });
  });
}
"""


def style_sheet() -> str:
    """The style sheet: light colours, and dark ones where the reader's system asks for them."""
    light, dark = (
        ":root{" + ";".join(f"--{name}:{value}" for name, value in colours.items()) + "}"
        for colours in (LIGHT, DARK)
    )
    return f"\n{light}\n@media (prefers-color-scheme:dark){{{dark}}}{_RULES}"
