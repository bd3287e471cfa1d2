"""How an FAQ is filtered, split and paired."""

from dataclasses import dataclass

import numpy as np

from retuner_training.errors import InvalidInput


@dataclass(frozen=True)
class Options:
    """How the raw rows are filtered, split and paired."""

    min_text: int = 150
    """Texts with fewer characters after cleaning are left out; empty ones always."""
    min_dupes: int = 12
    """Questions with fewer duplicates are left out."""
    match: int = 20
    """Questions that a training text is paired with, its own among them."""
    split_seed: int = 0
    faulty_rows: str = "refuse"
    """`refuse`: a faulty row is an error; `drop`: it is left out and counted."""

    def __post_init__(self) -> None:
        if not 2 <= self.match <= np.iinfo(np.int16).max:
            raise InvalidInput(f"match = {self.match}: it must be from 2 (one wrong question per text) to 32767.")
        if self.faulty_rows not in ("refuse", "drop"):
            raise InvalidInput(f"faulty_rows = {self.faulty_rows!r}: it must be 'refuse' or 'drop'.")


OWN_OPTIONS = {name: getattr(Options, name) for name in ("min_text", "min_dupes", "match")}
"""Those that no other recipe needs to have, with their defaults."""
