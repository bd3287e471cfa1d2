"""The bundled sample: a synthetic JavaScript FAQ in the layout of the raw files.

All questions and answers were written for this project, and the duplicates are composed of parts by a random
generator. Figures reached on it say that the software works, not how good a matcher is on what people ask.
"""

import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random

from retuner_training.errors import InvalidInput
from retuner_training.faq.raw_files import ANSWERS, DUPLICATES, QUESTIONS
from retuner_training.faq.sample import compose
from retuner_training.faq.sample.entries import Entry, in_setting, written_entries
from retuner_training.faq.sample.phrases import PAGE_SETTINGS, SERVER_SETTINGS

_FEWEST = 13  # duplicates of every question where there are enough: above the default filter's 12
_SERVER = {"Node.js", "modules", "packages"}
_PAGE = {"elements", "events", "forms", "requests", "window and storage"}
_FIRST_QUESTION, _FIRST_DUPLICATE, _FIRST_ANSWER = 1001, 1_000_001, 9_000_001
_NOTE = """These files are synthetic: a JavaScript FAQ that retuner composes to try things out.
seed {seed}, {questions} questions, {duplicates} duplicates; nobody has asked them.
"""

Row = tuple[object, ...]


def write_sample(folder: Path, *, questions: int = 230, duplicates: int = 4000, seed: int = 0) -> None:
    """Write the three raw files, and a note that they are synthetic, into `folder`.

    The same arguments give the same bytes. All texts pass the default filters where there are at least 13 duplicates
    per question. Raises InvalidInput for sizes that cannot be.
    """
    entries = _entries(questions)
    if duplicates < questions:
        raise InvalidInput(f"A sample of {questions} questions needs at least as many duplicates, not {duplicates}.")
    asked = [compose.question_text(Random(f"{seed} {entry.question}"), entry) for entry in entries]
    repeated = _duplicates(entries, duplicates, seed)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / ANSWERS, ((_FIRST_ANSWER + i, f"<p>{escape(e.answer)}</p>") for i, e in enumerate(entries)))
    _write(folder / QUESTIONS, _rows(enumerate(asked), _FIRST_QUESTION, datetime(2020, 1, 1)))
    _write(folder / DUPLICATES, _rows(repeated, _FIRST_DUPLICATE, datetime(2021, 1, 1)))
    note = _NOTE.format(seed=seed, questions=questions, duplicates=duplicates)
    (folder / "README.txt").write_text(note, encoding="utf-8")


def _entries(count: int) -> list[Entry]:
    """Entries spread over all topics; where more are wanted than were written, the same ones in other settings."""
    written = written_entries()
    Random(0).shuffle(written)
    entries = list(written)
    for place in range(len(PAGE_SETTINGS) + len(SERVER_SETTINGS)):
        entries += [in_setting(entry, _settings(entry)[place]) for entry in written if place < len(_settings(entry))]
    if not 2 <= count <= len(entries):
        raise InvalidInput(f"A sample has from 2 to {len(entries)} questions, not {count}.")
    return entries[:count]


def _settings(entry: Entry) -> tuple[str, ...]:
    if entry.topic.name in _SERVER:
        return SERVER_SETTINGS
    return PAGE_SETTINGS if entry.topic.name in _PAGE else PAGE_SETTINGS + SERVER_SETTINGS


def _duplicates(entries: Sequence[Entry], count: int, seed: int) -> list[tuple[int, str]]:
    """(position of the question, text) of each duplicate, in random order."""
    topics = defaultdict(list)
    for entry in entries:
        topics[entry.topic.name].append(entry)
    texts = []
    for position, (entry, share) in enumerate(zip(entries, _shares(len(entries), count, seed), strict=True)):
        others = [other for other in topics[entry.topic.name] if other is not entry] or list(entries)
        for number in range(share):
            random = Random(f"{seed} {entry.question} {number}")
            texts.append((position, compose.duplicate_text(random, entry, others)))
    Random(seed).shuffle(texts)
    return texts


def _shares(entries: int, count: int, seed: int) -> list[int]:
    """Duplicates per question: the same few for all, and the rest unevenly, as some things are asked more often."""
    random = Random(seed)
    fewest = min(_FEWEST, count // entries)
    rest = count - fewest * entries
    weights = [min(random.paretovariate(1.5), 8.0) for _ in range(entries)]
    ends = [round(rest * end / sum(weights)) for end in accumulate(weights)]
    return [fewest + end - start for start, end in pairwise([0, *ends])]


def _rows(texts: Iterable[tuple[int, str]], first: int, start: datetime) -> Iterator[Row]:
    for number, (position, text) in enumerate(texts):
        yield first + number, _FIRST_ANSWER + position, text, start + timedelta(minutes=37 * number)


def _write(path: Path, rows: Iterable[Row]) -> None:
    lines = "".join("\t".join(str(field) for field in row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(lines.encode(), mtime=0))  # without the time, so that the bytes repeat
