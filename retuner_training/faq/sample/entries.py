"""The FAQ entries that the sample is composed of, and the notation that they are written in.

    # topic                      * titles that fit anything in the topic    - sentences that do
    ? the question               = its answer
    ~ other ways to ask: a verb phrase ("sort a list") or, with its question mark, a whole question
    - sentences that only somebody with this question writes      > a line of code

Several of a kind stand in one line between ` | `; a line that begins with spaces continues the one before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from retuner_training.faq.sample import browser, collections, functions, tools, values

_MARK = re.compile(r"^([#*?=~>-]) ")
_BETWEEN = re.compile(r"\s+\|\s+")


@dataclass
class Topic:
    """What the entries of a topic share, and what makes them easy to mix up."""

    name: str
    titles: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass
class Entry:
    """One FAQ."""

    topic: Topic
    question: str
    answer: str = ""
    phrases: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    code: str = ""
    setting: str = ""
    """Where the question arises, such as "in a React component"; empty for the entries as they are written."""


def written_entries() -> list[Entry]:
    """All entries as they are written, topic by topic."""
    return [entry for module in (values, collections, functions, browser, tools) for entry in _parse(module.TEXT)]


def in_setting(entry: Entry, setting: str) -> Entry:
    """The same FAQ, asked for one setting."""
    question = f"{entry.question.rstrip('?')} {setting}?"
    return replace(entry, question=question, answer=f"{entry.answer} It is the same {setting}.", setting=setting)


def _parse(text: str) -> list[Entry]:
    """The entries of one text; a topic's own lines stand before its first question."""
    topic = Topic("")
    entries: list[Entry] = []
    for mark, content in _marked(text):
        match mark:
            case "#":
                topic = Topic(content)
            case "*":
                topic.titles = _BETWEEN.split(content)
            case "?":
                entries.append(Entry(topic, content))
            case "=":
                entries[-1].answer = content
            case "~":
                entries[-1].phrases = _BETWEEN.split(content)
            case ">":
                entries[-1].code = content
            case "-" if entries and entries[-1].topic is topic:
                entries[-1].details = _BETWEEN.split(content)
            case "-":
                topic.remarks = _BETWEEN.split(content)
    return entries


def _marked(text: str) -> Iterator[tuple[str, str]]:
    lines: list[str] = []
    for line in text.splitlines():
        if _MARK.match(line):
            lines.append(line)
        elif line:
            lines[-1] += " " + line.strip()
    for line in lines:
        yield line[0], line[2:]
