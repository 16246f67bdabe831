"""`mockex demo`."""

from __future__ import annotations

from pathlib import Path

import click

from mockex_conformance.cli.options import DEFAULT_SEED, sigterm_interrupts


@click.command()
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"),
    show_default=True, help="Folder for the record and report.html.",
)  # fmt: skip
@click.option("--open", "open_", is_flag=True, help="Open the report in the browser.")
@click.option("--quick", is_flag=True, help="Fewer rounds and shorter measurements.")
@click.option(
    "--all-cases", "every_case", is_flag=True, help="All cases instead of the seven that tell most."
)
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Of the run.")
@click.option("--jobs", type=click.IntRange(1), help="Cases side by side.")
@click.option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True,
    help="Judge each case so often; where verdicts differ it is FLAKY.",
)  # fmt: skip
@click.pass_context
def demo(
    ctx: click.Context,
    out: Path,
    open_: bool,
    quick: bool,
    every_case: bool,
    seed: int,
    jobs: int | None,
    repeat: int,
) -> None:
    """The incident: the bug grows, its fixes and the reference adapter are judged."""
    from mockex_conformance import demo as demonstration

    with sigterm_interrupts():
        code = demonstration.run(
            out, quick=quick, every_case=every_case, seed=seed, jobs=jobs, repeat=repeat
        )
    if open_:
        click.launch((out / "report.html").absolute().as_uri())
    ctx.exit(code)
