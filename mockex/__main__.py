"""`python -m mockex`: the command line."""

from mockex.cli import main

main()
