"""Similarities of a text to a question and to its known duplicates, but for the linear scorer's."""

import numpy as np

from retuner_training.faq.centroids import Centroids
from retuner_training.faq.linear import Floats, Ints, chunks
from retuner_training.faq.neighbours import Neighbours
from retuner_training.faq.training import Training
from retuner_training.faq.vectors import Vectors

DIRECT = ("centroid_words", "centroid_characters", "words", "characters")
_CENTROID_WORDS, _CENTROID_CHARACTERS, _WORDS, _CHARACTERS = range(len(DIRECT))


class Similarities:
    """What texts are compared with: the questions, the sums of their known duplicates, the duplicates."""

    def __init__(self, vectors: Vectors, training: Training, *, most: int) -> None:
        """`vectors` are those of the corpus; `most` nearest duplicates are looked for."""
        self._questions = len(training.questions)
        row, question = training.examples()
        self._word_centroids = Centroids(vectors.words, row, question, questions=self._questions)
        self._character_centroids = Centroids(vectors.characters, row, question, questions=self._questions)
        self._words = vectors.words[training.question_row].T.tocsr()
        self._characters = vectors.characters[training.question_row].T.tocsr()
        known = (training.known_row, training.known_question)
        self._neighbours = Neighbours(vectors.single_words, *known, questions=self._questions, most=most)

    def columns(self, vectors: Vectors, text: Ints, question: Ints, own: Floats | None = None) -> Floats:
        """Of pairs (row of `vectors`, known question): those of `DIRECT`, then `Neighbours.similarity`.

        With `own` the pairs are those of training: `Training.own`. Those of unknown questions (-1) mean nothing.
        """
        nearest = self._neighbours.similarity(vectors.single_words, text, question, own=own is not None)
        columns = np.empty((len(text), len(DIRECT)), dtype=np.float32)
        mine = np.zeros(len(text), dtype=np.float32) if own is None else own
        order = np.argsort(text, kind="stable")
        for part in chunks(len(vectors), 4 * self._questions):
            first, last = np.searchsorted(text, (part.start, part.stop), sorter=order)
            pairs = order[first:last]
            at = (text[pairs] - part.start, question[pairs])
            words, characters = vectors.words[part], vectors.characters[part]
            for column, centroids, of in (
                (_CENTROID_WORDS, self._word_centroids, words),
                (_CENTROID_CHARACTERS, self._character_centroids, characters),
            ):
                columns[pairs, column] = centroids.cosines(centroids.products(of)[at], at[1], mine[pairs])
            columns[pairs, _WORDS] = (words @ self._words).toarray()[at]
            columns[pairs, _CHARACTERS] = (characters @ self._characters).toarray()[at]
        return np.concatenate([columns, nearest], axis=1)


def of_unknown(texts: Vectors, questions: Vectors) -> Floats:
    """`DIRECT` of rows of texts and of questions without duplicates: such a question is like its own text alone."""
    columns = np.empty((len(texts), len(DIRECT)), dtype=np.float32)
    words = texts.words.multiply(questions.words).sum(axis=1)
    characters = texts.characters.multiply(questions.characters).sum(axis=1)
    columns[:, [_WORDS, _CENTROID_WORDS]] = np.asarray(words).reshape(-1, 1)
    columns[:, [_CHARACTERS, _CENTROID_CHARACTERS]] = np.asarray(characters).reshape(-1, 1)
    return columns
