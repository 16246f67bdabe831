"""How figures look: the rules of their classes, in the page's variables."""

# Besides its colour each mark has a shape, a dash or a word of its own.
STYLE = """\
.fig{display:block;width:100%;max-width:32rem;height:auto;font:10.5px system-ui,sans-serif;\
font-variant-numeric:tabular-nums}
.fig text{fill:var(--soft);paint-order:stroke;stroke:var(--card);stroke-width:2.5px;\
stroke-linejoin:round}.fig .ink{fill:var(--ink)}.fig .bad{fill:var(--fail)}
.fig path{fill:none;stroke-width:1}
.fig .grid{stroke:var(--rule)}
.fig .one{stroke:var(--line);stroke-width:2;stroke-linejoin:round}
.fig .two{stroke:var(--warn);stroke-width:2;stroke-dasharray:5 2}
.fig .dot{stroke:var(--line);stroke-width:4.5;stroke-linecap:round}
.fig .cross{stroke:var(--warn);stroke-width:1.5}
.fig .miss{stroke:var(--fail);stroke-width:1.8}
.fig .limit{stroke:var(--fail);stroke-width:1.2;stroke-dasharray:2 2}
.fig .fit{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:6 3}
.fig .fault{stroke:var(--mark);stroke-dasharray:3 3;opacity:.75}
.fig .head{fill:var(--mark)}
.fig .found{stroke:var(--ink);stroke-width:1.2}
.fig .pill{stroke:var(--ink);stroke-width:14;stroke-linecap:round}
.fig circle{fill:var(--ink)}.fig .no{fill:var(--card);stroke:none;font-weight:700;font-size:10px}
.fig .band{fill:var(--rule);opacity:.45}
.fig .dial{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:2 2}
.fig .open{stroke:var(--line);stroke-width:1.5}
.fig .live{stroke:var(--line);stroke-width:7}
.fig .late{stroke:var(--fail);stroke-width:7;stroke-dasharray:4 1}
.fig .mute{stroke:var(--line);stroke-width:7;stroke-dasharray:1 3}
.fig .them{stroke:var(--mark);stroke-width:1.8}
.fig .self{stroke:var(--ink);stroke-width:1.8}
.fig .say{stroke:var(--soft);stroke-width:1.2}
@media(max-width:30rem){.fig{font-size:12px}}
@media print{.fig{max-width:12cm;break-inside:avoid}}
"""
