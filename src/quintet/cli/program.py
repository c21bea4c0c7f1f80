"""The program: finds the command, turns errors into one line and an exit code.

Exit codes: 0 it ran, 1 it ran and the answer is no, 2 it could not run, 130 it was interrupted.

A system may have commands that must start at once, as on a board: an entry point in the group "quintet.quick", called
"SYSTEM COMMAND", names a function that takes the arguments and returns the exit code. Such a command runs without typer
and without the other commands.
"""

import sys
from collections.abc import Callable, Sequence

from quintet.errors import QuintetError

GROUP = "quintet.quick"
INTERRUPTED = "quintet: interrupted; what has finished is kept, the same command goes on from there"


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    try:
        quick = _quick(arguments)
        if quick is not None:
            sys.exit(quick([argument for argument in arguments[2:] if argument != "--debug"]))
        from quintet.cli.app import main as run

        run()
    except QuintetError as error:
        if debug:
            raise
        print(f"quintet: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
    except SystemExit as end:
        if end.code == 130:  # typer turns Ctrl-C into this code, without a word
            print(INTERRUPTED, file=sys.stderr)
        raise
    except BrokenPipeError:
        sys.exit(1)


def _quick(arguments: list[str]) -> Callable[[Sequence[str]], int] | None:
    """Return the function of a quick command, if `arguments` begin with one."""
    if len(arguments) < 2 or arguments[0].startswith("-") or arguments[1].startswith("-"):
        return None
    import importlib.metadata

    name = " ".join(arguments[:2])
    for point in importlib.metadata.entry_points(group=GROUP, name=name):
        return point.load()
    return None
