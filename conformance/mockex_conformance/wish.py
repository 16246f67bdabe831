"""What a person asked `mockex conform` for. It stands in the record, so that the run can be gone on
with."""

from __future__ import annotations

import shlex

import msgspec


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The arguments of `conform` as they count, wherever they came from (command line, variables);
    those that change no verdict (`--jobs`, `--out`, `--only-failed`) left out."""

    folder: str = ""  # where testees that are files stand; empty: where one is
    testees: list[str] = []
    command: list[str] = []  # what stood behind `--`
    cases: list[str] = []
    exclude: list[str] = []
    level: int | None = None
    severities: list[str] = []
    smoke: bool = False
    shard: str = ""
    profiles: list[str] = []
    repeat: int = 1
    strict: bool = False
    seed: int = 7
    ground: str = "real"
    time_scale: float | None = None
    case_limit: float | None = None
    deadline_factor: float = 1.25
    quiet_factor: float = 1.0
    link: str = ""  # that is under every case, as `LinkTerms.parse` takes it

    def command_line(self) -> str:
        """The command that asks for it: what is as usual is left out, but not the seed."""
        words = ["mockex", "conform", *self.testees]
        for option, values in (
            ("--case", self.cases),
            ("--exclude", self.exclude),
            ("--severity", self.severities),
            ("--profile", self.profiles),
        ):
            for value in values:
                words += [option, value]
        words += ["--seed", str(self.seed)]
        usual = Wish()
        for name in (
            "level", "shard", "repeat", "ground", "time_scale", "case_limit", "deadline_factor",
            "quiet_factor", "link",
        ):  # fmt: skip
            value = getattr(self, name)
            if value != getattr(usual, name):
                shown = f"{value:g}" if isinstance(value, float) else str(value)
                words += ["--" + name.replace("_", "-"), shown]
        words += [f"--{name}" for name in ("smoke", "strict") if getattr(self, name)]
        if self.command:
            words += ["--", *self.command]
        return shlex.join(words)
