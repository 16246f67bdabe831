"""`mockex doctor --config`: every setting, its value, and where that comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from mockex import config
from mockex.cli import cli, settings_of


class SettingShown(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: `value` null where there is none; `where` a variable, `file:line` or `default`;
    `variable` the one that would set it."""

    command: str
    key: str
    value: Any
    where: str
    variable: str


class SettingsShown(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. `file` null: there is no mockex.toml."""

    file: str | None
    settings: list[SettingShown]


def config_lines(as_json: bool) -> list[str]:
    """What `mockex doctor --config` prints; as JSON it is one line.

    Raises:
        ConfigError: the settings file says what cannot be.
        OSError: it cannot be read.
    """
    shown = every_setting()
    if as_json:
        return [json.dumps(msgspec.to_builtins(shown), separators=(",", ":"))]
    file = shown.file or f"no mockex.toml in {Path.cwd()} or above it"
    lines = [f"settings file: {file}", "a flag goes before a variable, that before the file", ""]
    set_ = [one for one in shown.settings if one.where != "default"]
    lines += _columns((o.command, o.key, _said(o.value), o.where) for o in set_)
    lines += [] if set_ else ["nothing is set"]
    lines += ["", "by default:"]
    usual = [one for one in shown.settings if one.where == "default"]
    lines += _columns((o.command, o.key, _said(o.value), o.variable) for o in usual)
    return lines


def every_setting() -> SettingsShown:
    """The settings of all commands, flags apart."""
    ctx = click.get_current_context(silent=True) or click.Context(cli)
    root = ctx.find_root()
    settings = settings_of(root)
    names = cli.list_commands(root)
    if settings is not None:
        config.must_be_tables(settings, names)
    commands = [
        leaf
        for name in names
        if (command := cli.get_command(root, name)) is not None
        for leaf in config.leaves((name,), command)
    ]
    found = config.sources(settings, commands, os.environ)
    return SettingsShown(
        file=str(settings.file) if settings else None,
        settings=[
            SettingShown(
                command=one.command,
                key=one.key,
                value=one.value,
                where=one.where,
                variable=one.variable,
            )
            for one in found
        ],
    )


def _said(value: object) -> str:
    match value:
        case None | [] | ():
            return "-"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return ",".join(map(str, value))
    return str(value)


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return [
        "  ".join(
            ["", *(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]
        )
        for row in rows
    ]
