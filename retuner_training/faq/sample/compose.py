"""Texts as people would write them, composed of an entry's own words and of what anybody writes."""

import re
from collections.abc import Sequence
from html import escape
from random import Random

from retuner_training.faq.sample import phrases
from retuner_training.faq.sample.entries import Entry

SHORTEST = 160
"""Least characters of a text without its code: a little above the default filter's 150."""

# How hard the sample is: shares of all duplicates, or of their words.
_VAGUE = 0.25
_MENTION = 0.5
_SYNONYM = 0.35
_TYPO = 0.02
_WORD = re.compile(r"[A-Za-z]+")


def question_text(random: Random, entry: Entry) -> str:
    """An original question: its title and what its author saw."""
    sentences = [*random.sample(entry.details, 3), random.choice(entry.topic.remarks)]
    return _markup(random, entry.question, _filled(random, entry.question, sentences), entry.code)


def duplicate_text(random: Random, entry: Entry, others: Sequence[Entry]) -> str:
    """The question of `entry` as somebody else asks it, who may mention one of the `others`."""
    vague = random.random() < _VAGUE
    phrase = random.choice([*entry.phrases, entry.question])
    title = random.choice(entry.topic.titles) if vague else _title(random, phrase)
    if entry.setting and random.random() < 0.8:
        title = f"{title.rstrip('?')} {entry.setting}"
    sentences = random.sample(entry.details, random.choice((0, 1, 1) if vague else (0, 1, 1, 2)))
    if random.random() < 0.3:
        sentences.append(_fitted(random, phrase, phrases.VERB_SENTENCES, phrases.QUESTION_SENTENCES))
    if random.random() < 0.5:
        sentences.append(random.choice(entry.topic.remarks))
    sentences += [_mention(random, random.choice(others)) for _ in range(2) if random.random() < _MENTION]
    random.shuffle(sentences)
    frame = [random.choice(part) for part in (phrases.OPENINGS, phrases.CONTEXTS) if random.random() < 0.6]
    sentences += random.sample(phrases.FILLERS, random.randint(0, 2))
    title, *body = (_reworded(random, sentence) for sentence in (title, *frame, *sentences))
    return _markup(random, title, _filled(random, title, body), entry.code if random.random() < 0.6 else "")


def _title(random: Random, phrase: str) -> str:
    title = _fitted(random, phrase, phrases.VERB_TITLES, phrases.QUESTION_TITLES)
    return title[0].upper() + title[1:]


def _fitted(random: Random, phrase: str, for_verbs: Sequence[str], for_questions: Sequence[str]) -> str:
    return random.choice(for_questions if phrase.endswith("?") else for_verbs).format(phrase)


def _mention(random: Random, other: Entry) -> str:
    phrase = random.choice(other.phrases)
    return _fitted(random, phrase, phrases.EFFORTS, phrases.QUESTION_EFFORTS)


def _filled(random: Random, title: str, sentences: list[str]) -> list[str]:
    """The sentences, general ones after them until the text is long enough, and a closing."""
    fillers = random.sample(phrases.FILLERS, len(phrases.FILLERS))
    while len(title) + sum(len(sentence) + 1 for sentence in sentences) < SHORTEST:
        sentences.append(fillers.pop())
    return [*sentences, random.choice(phrases.CLOSINGS)]


def _reworded(random: Random, sentence: str) -> str:
    return _WORD.sub(lambda match: _reword(random, match[0]), sentence)


def _reword(random: Random, word: str) -> str:
    known = phrases.SYNONYMS.get(word)
    if known and random.random() < _SYNONYM:
        return random.choice(known)
    if len(word) > 4 and random.random() < _TYPO:
        place = random.randrange(1, len(word) - 2)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word


def _markup(random: Random, title: str, sentences: Sequence[str], code: str) -> str:
    """Title and body in one line, as a forum stores them; the code stands before the closing sentence."""
    cut = random.randint(1, len(sentences) - 1)
    paragraphs = [" ".join(sentences[:cut]), " ".join(sentences[cut:])]
    block = f"<pre><code>{escape(code)}</code></pre>" if code else ""
    return f"{escape(title)} <p>{escape(paragraphs[0])}</p>{block}<p>{escape(paragraphs[1])}</p>"
