"""Texts as vectors: TF-IDF of words and of characters."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from retuner_training.errors import InvalidInput

WORD = r"\w+|[^\w\s]+"
"""Words, and runs of signs: code such as === tells questions apart."""
_VOCABULARY = 50_000


@dataclass(frozen=True)
class Vectors:
    """One row per text, of length 1 (0 for a text without known n-grams)."""

    words: sparse.csr_matrix
    single_words: sparse.csr_matrix
    characters: sparse.csr_matrix

    def __len__(self) -> int:
        return int(self.words.shape[0])

    def rows(self, number: npt.NDArray[np.integer]) -> "Vectors":
        return Vectors(self.words[number], self.single_words[number], self.characters[number])


class TextVectors:
    """Learns the vocabulary from texts alone, without their labels."""

    def __init__(self, *, word_ngrams: int, character_ngrams: int) -> None:
        self._word_ngrams = word_ngrams
        self._character_ngrams = character_ngrams

    def fit_transform(self, texts: pd.Series) -> Vectors:
        """Vectors of `texts`, which the vocabulary is learned from."""
        least = 2 if len(texts) >= 1000 else 1  # n-grams of one text tell nothing, unless texts are few
        shared = {"sublinear_tf": True, "dtype": np.float32, "min_df": least, "max_features": _VOCABULARY}
        self._words = TfidfVectorizer(token_pattern=WORD, ngram_range=(1, self._word_ngrams), **shared)
        sizes = (self._character_ngrams, self._character_ngrams)
        self._characters = TfidfVectorizer(analyzer="char_wb", ngram_range=sizes, **shared)
        try:
            words, characters = self._words.fit_transform(texts), self._characters.fit_transform(texts)
        except ValueError as error:  # the vocabulary is empty
            raise InvalidInput(f"The {len(texts)} texts share no words to compare them by: {error}.") from error
        names = self._words.get_feature_names_out()
        self._single = np.array([" " not in name for name in names])
        return self._vectors(words, characters)

    def transform(self, texts: pd.Series) -> Vectors:
        return self._vectors(self._words.transform(texts), self._characters.transform(texts))

    def _vectors(self, words: sparse.csr_matrix, characters: sparse.csr_matrix) -> Vectors:
        return Vectors(words, normalize(words[:, self._single]), characters)
