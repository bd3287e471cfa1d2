"""argparse, so that wrong usage is told by the command that was meant."""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

MANY_FLAGS = "%(prog)s [--FLAG VALUE] ...   (all flags: %(prog)s --help)"
"""Usage of a command whose flags would fill a page, in which nobody finds the error below it."""


class Parser(argparse.ArgumentParser):
    """Its commands are of the same class, and name themselves as `parser` in what they parse."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """argparse itself has the outermost parser refuse what no command took, with a usage that names no flag."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            options.parser.refuse(unknown)
        return options

    def refuse(self, unknown: Sequence[str]) -> None:
        """End with the arguments that are not known here, and what may have been meant."""
        flags = list(self._option_string_actions)  # argparse has no public way to ask for them
        wrong = [word.partition("=")[0] for word in unknown if word.startswith("-")]
        close = [match for word in wrong for match in get_close_matches(word, flags, n=1)]
        hint = f" (did you mean {', '.join(close)}?)" if close else ""
        self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
