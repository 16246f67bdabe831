"""`mockex completion`: the script that lets a shell complete our commands and their values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mockex.cli import say
from mockex.cli.help import Choice, Command

# Where each shell looks for it by itself.
INSTALLED = {
    "bash": """\
# For every shell from now on (needs the package bash-completion):
#   mkdir -p ~/.local/share/bash-completion/completions
#   mockex completion bash > ~/.local/share/bash-completion/completions/mockex
# For this one:  eval "$(mockex completion bash)"
""",
    "zsh": """\
# For every shell from now on; the folder must be in $fpath before compinit:
#   mkdir -p ~/.zfunc
#   mockex completion zsh > ~/.zfunc/_mockex
# For this one, after compinit:  eval "$(mockex completion zsh)"
""",
    "fish": """\
# For every shell from now on:
#   mockex completion fish > ~/.config/fish/completions/mockex.fish
# For this one:  mockex completion fish | source
""",
}


@click.command(
    cls=Command,
    examples="""
    eval "$(mockex completion bash)"          # in ~/.bashrc, or by hand
    mockex completion zsh > ~/.zfunc/_mockex  # the folder must be in $fpath
    mockex completion fish | source
    """,
)
@click.argument("shell", type=Choice([*INSTALLED]), metavar="bash|zsh|fish")
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    Its first lines say where to put it. Commands, options and values complete: cases, testees,
    faults, profiles, schemas, files.
    """
    from mockex.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(cli, {}, "mockex", "_MOCKEX_COMPLETE").source().strip()
    first, newline, rest = script.partition("\n")
    if not first.startswith("#compdef"):  # which zsh wants in the first line
        first, newline, rest = "", "", script
    say(f"{first}{newline}{INSTALLED[shell]}{rest}")
