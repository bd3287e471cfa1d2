"""What a command prints: its answer on stdout, whoever reads it; what it is busy with on stderr."""

import os
import sys


def show(text: str) -> None:
    """Print `text`; a reader that has left, such as head, is no fault."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it ends


def say(text: str) -> None:
    """Tell the person who waits what takes long now."""
    print(text, file=sys.stderr, flush=True)
