"""`mockex report`: what is made of the folders of runs, any time later."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockex.cli import complain, hush, say, say_json, visible, writing
from mockex.cli.help import Group
from mockex.errors import ConfigError
from mockex_conformance.cli.options import json_option, only_failed_option

if TYPE_CHECKING:
    from mockex_conformance.report.later import Told

_SUMMARY = "GITHUB_STEP_SUMMARY"
_Function = Callable[..., Any]


def _folder(name: str) -> Callable[[_Function], _Function]:
    return click.argument(
        name.lower(), metavar=name, type=click.Path(exists=True, path_type=Path)
    )  # fmt: skip


def _out(what: str) -> Callable[[_Function], _Function]:
    return click.option(
        "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=what
    )


_instead_of_stdout = _out("Write it to FILE instead of stdout.")


@click.group(
    cls=Group,
    examples="""
    mockex report md out                  # in a CI job: onto its summary page
    mockex report html out --out page.html
    mockex report diff before out         # 1 if something is worse
    mockex report merge part1 part2 --out whole
    """,
)
def report() -> None:
    """Make reports of the folders of runs, any time later.

    DIR is what `mockex conform` left in --out. Of a run that was interrupted or is still going on
    the report tells what is known, and that it is not all.
    """


@report.command(examples="mockex report html out --out page.html")
@_folder("DIR")
@_out("Default: report.html in DIR.")
def html(dir: Path, out: Path | None) -> None:  # noqa: A002 - the argument's name
    """One page that opens from disk."""
    from mockex_conformance.report.html import write_page

    told = _tell(dir)
    out = out or told.folder / "report.html"
    with writing(out):
        write_page(told.folder, out)
    say(str(out))


@report.command(examples="mockex report junit out > junit.xml")
@_folder("DIR")
@_instead_of_stdout
def junit(dir: Path, out: Path | None) -> None:  # noqa: A002 - the argument's name
    """JUnit XML, as Jenkins, GitLab and others read it."""
    from mockex_conformance.report.junit import document

    told = _tell(dir)
    _write(document(told.run, told.result, told.lacks).decode(), out)


@report.command(examples="mockex report ctrf out --out ctrf.json")
@_folder("DIR")
@_instead_of_stdout
def ctrf(dir: Path, out: Path | None) -> None:  # noqa: A002 - the argument's name
    """Common Test Report Format, as JSON."""
    from mockex_conformance.report.ctrf import document

    _write(document(_tell(dir)), out)


@report.command(
    examples="""
    mockex report md out
    mockex report md out --annotate      # in a step of GitHub Actions
    """
)
@_folder("DIR")
@_out(f"Write it to FILE. Default: added to the file ${_SUMMARY} names; stdout without one.")
@click.option(
    "--annotate", is_flag=True,
    help="Also print `::error` lines, which GitHub Actions shows beside the run; at most ten.",
)  # fmt: skip
def md(dir: Path, out: Path | None, annotate: bool) -> None:  # noqa: A002 - the argument's name
    """A summary in at most 40 lines of Markdown."""
    from mockex_conformance.report import markdown

    told = _tell(dir)
    _write_summary(markdown.summary(told), out)
    if annotate:
        for line in markdown.annotate(told):
            say(line)


@report.command(
    examples="""
    mockex report badge out --out badge.svg
    mockex report badge out --out badge.json   # for img.shields.io/endpoint?url=…
    """
)
@_folder("DIR")
@_out("FILE.svg or FILE.json instead of stdout.")
@click.option(
    "--format", "form", type=click.Choice(["json", "svg"]),
    help="json: a shields.io endpoint; svg: a picture. Default: by FILE's name, else json.",
)  # fmt: skip
@click.option("--label", default="mockex", show_default=True, help="The left half.")
def badge(dir: Path, out: Path | None, form: str | None, label: str) -> None:  # noqa: A002
    """A badge: how many passed, or failed."""
    from mockex_conformance.report import badge as badges

    named = out.suffix[1:].lower() if out else ""
    if form is None:
        form = named or "json"
    if form not in ("json", "svg"):
        raise ConfigError("--out", str(out), "a name in .svg or .json, or --format beside it")
    made = badges.badge(_tell(dir), label)
    _write(badges.svg(made) if form == "svg" else badges.endpoint(made), out)


@report.command(examples="mockex report merge part1 part2 part3 --out out")
@click.argument(
    "folders", nargs=-1, required=True, metavar="DIR…",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR",
    help="Folder for the one record, JUnit and page.",
)  # fmt: skip
@only_failed_option
@json_option
@click.pass_context
def merge(
    ctx: click.Context, folders: tuple[Path, ...], out: Path, only_failed: bool, as_json: bool
) -> None:
    """One record of several: the parts of a divided run, or testees judged apart.

    What does not belong together is refused by name: other seeds, versions, conditions or
    descriptions, parts that are missing, verdicts that are there twice.
    """
    from mockex_conformance import merging, results, running

    finished = merging.merge(folders, out, command=["mockex", *sys.argv[1:]])
    running.write_reports(finished)
    if as_json:
        say_json(results.of_run(finished))
    else:
        running.show(finished, only_failed=only_failed)
    ctx.exit(finished.result.exit_code)


@report.command(
    examples="""
    mockex report diff main-out out
    mockex report diff main-out out --md      # onto the summary page of a CI job
    """
)
@_folder("OLD")
@_folder("NEW")
@_out("Write it to FILE instead of stdout.")
@json_option
@click.option(
    "--md", "as_md", is_flag=True,
    help=f"Markdown, added to the file ${_SUMMARY} names if there is one.",
)  # fmt: skip
@click.pass_context
def diff(
    ctx: click.Context, old: Path, new: Path, out: Path | None, as_json: bool, as_md: bool
) -> None:
    """What got worse or better from run OLD to run NEW.

    Compared are testees, profiles and cases, each by its verdict. The exit code is 1 if something
    is worse, 7 if nothing is and NEW is no complete run, else 0.
    """
    import msgspec

    from mockex_conformance.report import diff as differences

    if as_json and as_md:
        raise click.UsageError("Give either --json or --md.")
    made = differences.diff(_tell(old), _tell(new))
    if as_md:
        _write_summary(differences.as_markdown(made), out)
    elif as_json:
        _write(msgspec.json.encode(made).decode() + "\n", out)
    else:
        _write(visible(differences.as_text(made)), out)
    ctx.exit(made.exit_code)


def _tell(path: Path) -> Told:
    """The run; what it lacks is also said to whoever looks at the terminal."""
    from mockex_conformance.report.later import tell

    told = tell(path)
    if told.lacks:
        complain(f"{told.folder}: {told.lacks}")
    return told


def _write(written: str, out: Path | None) -> None:
    if out is None:  # what a file would hold, to the byte, whatever the locale is
        try:
            click.echo(written.encode(), nl=False)
        except BrokenPipeError:
            hush(sys.stdout)
    else:
        with writing(out):
            out.write_text(written, encoding="utf-8")


def _write_summary(written: str, out: Path | None) -> None:
    """To `out`, else behind what earlier steps of a CI job have said, else to stdout."""
    page = os.environ.get(_SUMMARY)
    if out is None and page:
        with writing(Path(page)), Path(page).open("a", encoding="utf-8") as file:
            file.write(written)
        complain(f"added to {page}")
    else:
        _write(written, out)
