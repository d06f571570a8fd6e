"""Texts as vectors: tf-idf of letters and words, and the same folded into a few dimensions.

No package that a package registry serves has the weights of a sentence embedding together with a licence and its
makers' name (docs/log.md), so these are scikit-learn's tf-idf and truncated SVD (latent semantic analysis): texts are
near each other where they share words or parts of words, and not where they only mean the same.
Knows: texts. Does not know: labels, prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

#: Runs of letters inside words that count: labels often hold parts of words, because models' tokens are.
LETTERS = (3, 5)
#: Dimensions of the folded vectors.
DIMENSIONS = 32
SEED = 0


def vectors(first: Sequence[str], second: Sequence[str] = ()) -> tuple[csr_array, csr_array]:
    """Two lists of texts in one space, float64 [texts, runs of letters], rows of length 1, or 0 for a text without any.

    How rare a run of letters is, is counted over both.
    """
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=LETTERS, sublinear_tf=True, min_df=1)
    every = [*first, *second]
    if not any(text.strip() for text in every):
        empty = csr_array((len(every), 1))
        return empty[: len(first)], empty[len(first) :]
    table = csr_array(vectorizer.fit_transform(every))
    return table[: len(first)], table[len(first) :]


def folded(texts: Sequence[str]) -> np.ndarray:
    """float64 [texts, at most DIMENSIONS], rows of length 1: the same texts by latent semantic analysis."""
    table, _ = vectors(texts)
    size = min(DIMENSIONS, table.shape[1] - 1, len(texts) - 1)
    if size < 1:
        return np.ones((len(texts), 1))
    found: np.ndarray = normalize(TruncatedSVD(size, random_state=SEED).fit_transform(table))
    return found
