"""`mockex demo`."""

from __future__ import annotations

from pathlib import Path

import click

from mockex.cli.help import Command, option
from mockex_conformance.cli.options import (
    jobs_option,
    json_option,
    seed_option,
    sigterm_interrupts,
)


@click.command(
    cls=Command,
    examples="""
    mockex demo --quick                # half the rounds
    mockex demo --open                 # and show the page
    """,
)
@option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"),
    show_default=True, metavar="DIR", help="Record and page.",
)  # fmt: skip
@option("--open", "open_", is_flag=True, help="Open the page in the browser.")
@option("--quick", is_flag=True, help="Fewer rounds, shorter measurements.")
@option("--all-cases", "every_case", is_flag=True, help="Not only the seven that tell most.")
@seed_option
@jobs_option
@option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True, metavar="N",
    help="N times each: FLAKY if verdicts differ.",
)  # fmt: skip
@json_option
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
    as_json: bool,
) -> None:
    """The incident: the bug grows, its fixes and the reference adapter are judged."""
    from mockex_conformance import demo as demonstration

    with sigterm_interrupts():
        code = demonstration.run(
            out,
            quick=quick,
            every_case=every_case,
            seed=seed,
            jobs=jobs,
            repeat=repeat,
            as_json=as_json,
        )
    if open_:
        click.launch((out / "report.html").absolute().as_uri())
    ctx.exit(code)
