"""The exception tree. Each message says what was received, what was expected and what to do next, in one line.

QuintetError                    exit code 2: it could not run
├── NetworkError                a Net that cannot be: shapes that do not fit, an unknown layer or setting
├── StudyError                  a study file or command that cannot be run: unknown key, system, library, setting
├── DataError                   a data file that is missing, corrupt, truncated or of the wrong checksum
├── EnvironmentUnavailable      a library that is not installed, or cannot run here
├── StoreError                  a study folder that is locked, unwritable, full, or of another version
├── BundleError                 a trained model's folder that is missing, incomplete or not ours
│   └── NotVerified             … that is not as its signer left it, or whose signer nobody trusts
└── RecommendationError         no measured trial meets the limits, or nothing was measured
"""

import difflib
from collections.abc import Iterable


class QuintetError(Exception):
    """Something that could not run; its message is fit to be shown to the user as one line."""


class NetworkError(QuintetError):
    """A network that cannot be built."""


class StudyError(QuintetError):
    """A study, or a command line, that cannot be run as it is written."""


class DataError(QuintetError):
    """A data file that is missing, corrupt, truncated or of the wrong checksum."""


class EnvironmentUnavailable(QuintetError):
    """A library that is not installed, or that cannot run on this machine."""


class StoreError(QuintetError):
    """A study folder that is locked, unwritable, full, or of another version."""


class BundleError(QuintetError):
    """A trained model's folder that is missing, incomplete, or not one of ours."""


class NotVerified(BundleError):
    """A bundle that fails verification.

    `reason`: "unsigned", "unknown_key", "tampered", "missing", "unlisted", "truncated", "unsafe" or "downgraded";
    `file`: the file's path in the bundle, or "".
    """

    def __init__(self, message: str, *, reason: str, file: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.file = file


class RecommendationError(QuintetError):
    """No measured trial meets the limits, or nothing was measured."""


def nearest(received: str, known: Iterable[str]) -> str:
    """Return the clause that helps after a misspelt name.

    >>> nearest("tourch", ["torch", "jax"])
    'did you mean "torch"? Known: jax, torch'
    """
    names = sorted(known)
    close = difflib.get_close_matches(received, names, n=1, cutoff=0.5)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return f"{hint}Known: {', '.join(names)}"
