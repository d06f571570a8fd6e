"""A study's results in sentences: what is said is true, and one rate has one interval."""

from __future__ import annotations

import json

from core.answers.verdicts import VERDICTS
from core.statistics import rate
from core.study.items import Annotation, Annotations, Study, StudyItem
from core.study.results import as_json, results
from core.study.results_text import lines

COUNT = 12


def study() -> Study:
    truth = frozenset({"refused"})
    items = tuple(StudyItem("main", "main", truth, prompt=f"p {n}", answer=f"a {n}") for n in range(COUNT))
    return Study("verdicts", "answers", VERDICTS, items)


def said(pairs: list[str], right: int = COUNT) -> Annotations:
    """pairs: which annotators, a letter each, label an item, item by item; the first `right` items rightly."""
    found: dict[str, dict[int, Annotation]] = {who: {} for who in sorted({*"".join(pairs)})}
    for number, whose in enumerate(pairs):
        for who in whose:
            found[who][number] = Annotation(frozenset({"refused" if number < right else "complied"}), True)
    return found


def line(told: list[str], begins: str) -> str:
    return next(one for one in told if one.strip().startswith(begins))


def test_of_three_annotators_two_on_each_item_kappa_says_what_is_missing():
    told = lines(results(study(), said(["ab", "bc", "ac"] * 4, 6)))
    assert line(told, "Fleiss") == "Fleiss' κ: not known, because no item was labelled by all 3 annotators"
    assert "α: 1.000 (" in line(told, "Krippendorff") and line(told, "Krippendorff").endswith(f"n = {COUNT})")


def test_where_nobody_shares_an_item_both_say_so():
    told = lines(results(study(), said(["a", "b", "c"] * 4)))
    for name in ("Fleiss", "Krippendorff"):
        assert line(told, name).endswith("not known, because no item was labelled by two annotators or more")
    assert "κ: undefined" in line(lines(results(study(), said(["ab"] * COUNT))), "Fleiss")


def test_one_rate_has_one_interval_wherever_it_stands():
    annotations = said(["ab"] * COUNT, 3)
    found, three = results(study(), annotations), rate(3, COUNT)
    ends = f"95% CI {three.low:.1%}{{}}{three.high:.1%}"
    told = lines(found)
    assert ends.format("–") in line(told, "The majority has the known verdict")
    assert ends.format(" to ") in line(told, "a alone") and ends.format(" to ") in line(told, "b alone")
    whole = json.loads(as_json(found, annotations))
    scores = [whole["score"], *whole["score by annotator"].values(), *whole["score by group"].values()]
    assert {(one[kind]["low"], one[kind]["high"]) for one in scores for kind in one} == {(three.low, three.high)}
