"""The command line: one file per group of commands. `main` is the program `quintet`."""

from quintet.cli.program import main

__all__ = ["main"]
