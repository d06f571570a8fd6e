"""Labels put into groups by themselves: text vectors, HDBSCAN, and names by class-based tf-idf (Tables 7, 8 and 10).

The paper groups by hand. Here a group is a name that features share, so that a person edits groups by naming them: two
groups of one name are one. Knows: labels as text. Does not know: categories, activations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.cluster import HDBSCAN
from sklearn.feature_extraction.text import CountVectorizer

from core.edits.edits import Feature
from core.semantics.vectors import folded
from core.semantics.words import WORD, content, explanation, kind_of
from core.statistics import rate

#: A group has so many labels or more; what is near none is in none.
SMALLEST = 4
#: HDBSCAN's strength of membership from which on a label is in a group: 1 at its densest part, 0 far from it.
MEMBER = 0.75
#: Words of a group's name.
NAME_WORDS = 3
#: For features whose label is near no group, and for those without a label.
UNGROUPED, UNLABELLED = "no group", "no label"
Groups = Mapping[Feature, str]


def group_labels(labels: Mapping[Feature, str], smallest: int = SMALLEST) -> dict[Feature, str]:
    """Feature → the name of its group. labels: of every feature, empty where it has none. Punctuation and template have
    groups of their own by rule (`kind_of`), because they have no words to be near by.
    """
    found, rest = dict[Feature, str](), list[Feature]()
    for feature, label in labels.items():
        kind = kind_of(label)
        if not explanation(label):
            found[feature] = UNLABELLED
        elif kind in ("punctuation", "template"):
            found[feature] = kind
        else:
            rest.append(feature)
    texts = [content(labels[feature]) for feature in rest]
    numbers = _clusters(texts, smallest)
    names = _names(texts, numbers)
    found |= {feature: names[number] for feature, number in zip(rest, numbers.tolist(), strict=True)}
    return {feature: found[feature] for feature in labels}


def renamed(groups: Groups, names: Mapping[str, str]) -> dict[Feature, str]:
    """By hand: groups under other names. names: old → new; one that is left out, or blank, stays."""
    return {feature: names.get(name, "").strip() or name for feature, name in groups.items()}


def group_table(groups: Groups, labels: Mapping[Feature, str]) -> pd.DataFrame:
    """One row a group, the largest first: group, features, share, low, high (Wilson), some of its labels."""
    counts = Counter(groups.values())
    rows = []
    for name, count in counts.most_common():
        some = [explanation(labels[f]) for f, group in groups.items() if group == name and explanation(labels[f])]
        found = rate(count, len(groups))
        rows.append((name, count, found.rate, found.low, found.high, " | ".join(some[:3])))
    return pd.DataFrame(rows, columns=["group", "features", "share", "low", "high", "labels"])


def kinds_table(labels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Group of features → their labels, those that say something: share of punctuation and programming (paper: 31%)."""
    rows = []
    for name, texts in labels.items():
        kinds = [kind_of(text) for text in texts if explanation(text)]
        for what, wanted in (
            ("punctuation", ("punctuation",)),
            ("programming", ("programming",)),
            ("punctuation or programming", ("punctuation", "programming")),
            ("template", ("template",)),
        ):
            rows.append((name, what, *rate(sum(kind in wanted for kind in kinds), len(kinds))))
    return pd.DataFrame(rows, columns=["group", "about", "labels", "of", "share", "low", "high"])


def _clusters(texts: Sequence[str], smallest: int) -> np.ndarray:
    """int64 [texts]: the number of each text's cluster, −1 for none."""
    if len(texts) < max(2 * smallest, 3):
        return np.full(len(texts), -1)
    # “leaf” gives many small groups of one topic each; the usual choice puts most labels into one.
    found = HDBSCAN(min_cluster_size=smallest, min_samples=2, cluster_selection_method="leaf", copy=True)
    numbers: np.ndarray = found.fit_predict(folded(texts))
    return np.where(found.probabilities_ >= MEMBER, numbers, -1)


def _names(texts: Sequence[str], numbers: np.ndarray) -> dict[int, str]:
    """Cluster → a name of the words that are frequent in it and rare outside: class-based tf-idf (Grootendorst 2022,
    arXiv:2203.05794, equation 1). Two clusters with the same words are told apart by a number."""
    clusters = sorted(set(numbers.tolist()) - {-1})
    names = {-1: UNGROUPED}
    if not clusters:
        return names
    documents = [" ".join(text for text, n in zip(texts, numbers, strict=True) if n == c) for c in clusters]
    try:
        vectorizer = CountVectorizer(stop_words="english", token_pattern=WORD)
        counts = vectorizer.fit_transform(documents).toarray().astype(np.float64)
    except ValueError:  # no content word at all
        return names | {c: f"group {c + 1}" for c in clusters}
    words = vectorizer.get_feature_names_out()
    weight = counts * np.log1p(counts.sum() / len(clusters) / counts.sum(0))
    seen = Counter[str]()
    for row, c in enumerate(clusters):
        best = [str(words[i]) for i in np.argsort(-weight[row], kind="stable")[:NAME_WORDS] if weight[row, i] > 0]
        name = ", ".join(best) or f"group {c + 1}"
        seen[name] += 1
        names[c] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return names
