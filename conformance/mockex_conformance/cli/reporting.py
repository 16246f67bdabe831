"""`mockex report`: what is done with records of runs that are over."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mockex_conformance.cli.options import only_failed_option


@click.group()
def report() -> None:
    """What is done with the records of runs."""


@report.command()
@click.argument(
    "folders", nargs=-1, required=True, metavar="DIR…",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True,
    help="Folder for the one record, JUnit and page.",
)  # fmt: skip
@only_failed_option
@click.pass_context
def merge(ctx: click.Context, folders: tuple[Path, ...], out: Path, only_failed: bool) -> None:
    """One record of several: the parts of a divided run, or testees judged apart.

    What does not belong together is refused by name: other seeds, versions, conditions or
    descriptions, parts that are missing, verdicts that are there twice.
    """
    from mockex_conformance import merging, running

    finished = merging.merge(folders, out, command=["mockex", *sys.argv[1:]])
    running.write_reports(finished)
    running.show(finished, only_failed=only_failed)
    ctx.exit(finished.result.exit_code)
