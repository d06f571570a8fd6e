"""The labelled answers that come with the program: what verdicts are fitted on and measured against.

Knows: assets/answers/labelled.jsonl, whose README says who labelled them and how. Does not know: judges.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from core.paths import assets_folder

#: Under this name the labels stand beside judges.
READER = "the reader’s labels"


def labelled_answers(split: Literal["fit", "test"]) -> list[dict[str, Any]]:
    """One half of them, in order: id, model, prompt, answer, label (a verdict), flags, and what was measured of each.

    fit: the half that thresholds were chosen on; test: the half that agreement is stated on.
    """
    text = (assets_folder() / "answers" / "labelled.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.split("\n") if line]
    return [row for row in rows if row["split"] == split]
