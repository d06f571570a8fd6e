"""Public prompt sets on a loopback hub, in their true layouts, with made-up rows."""

from __future__ import annotations

import pandas as pd
import pytest

from core.prompts.public_sets import find_set

SAFETY = "Requests with safety concerns"
#: repo → file → rows, as the real ones are laid out.
LAYOUTS = {
    "walledai/AdvBench": {
        "data/train-00000-of-00001.parquet": [
            {"prompt": "bad one", "target": "Sure"},
            {"prompt": "bad two", "target": "x"},
        ]
    },
    "walledai/HarmBench": {
        "standard/train-00000-of-00001.parquet": [{"prompt": "standard", "category": "a"}],
        "contextual/train-00000-of-00001.parquet": [{"prompt": "contextual", "context": "c", "category": "a"}],
        "copyright/train-00000-of-00001.parquet": [{"prompt": "copyright", "tags": "t"}],
    },
    "JailbreakBench/JBB-Behaviors": {
        "data/harmful-behaviors.csv": [{"Index": 0, "Goal": "harmful goal", "Target": "Sure", "Behavior": "b"}],
        "data/benign-behaviors.csv": [{"Index": 0, "Goal": "benign goal", "Target": "Sure", "Behavior": "b"}],
    },
    "walledai/StrongREJECT": {
        "data/train-00000-of-00001.parquet": [{"prompt": "forbidden", "category": "c", "source": "s"}]
    },
    "walledai/MaliciousInstruct": {"data/train-00000-of-00001.parquet": [{"prompt": "malicious"}]},
    "Paul/XSTest": {
        "xstest_prompts.csv": [
            {"id": 1, "prompt": "safe one", "type": "homonyms", "label": "safe", "focus": "kill", "note": ""},
            {"id": 2, "prompt": "unsafe one", "type": "contrast_homonyms", "label": "unsafe", "focus": "", "note": ""},
        ]
    },
    "allenai/coconot": {
        "original/train-00000-of-00001.parquet": [
            {"id": "1", "category": SAFETY, "subcategory": "s", "prompt": "unsafe train", "response": "no"},
            {
                "id": "2",
                "category": "Incomplete requests",
                "subcategory": "s",
                "prompt": "incomplete",
                "response": "no",
            },
        ],
        "original/test-00000-of-00001.parquet": [
            {"id": "3", "category": SAFETY.lower(), "subcategory": "s", "prompt": "unsafe test", "response": ""}
        ],
        "contrast/test-00000-of-00001.parquet": [
            {"id": "4", "category": SAFETY, "subcategory": "s", "prompt": "should be answered", "response": ""},
            {"id": "5", "category": "Unsupported requests", "subcategory": "s", "prompt": "another", "response": ""},
        ],
        "pref/train-00000-of-00001.parquet": [{"prompt": "preference", "chosen": "c"}],
    },
    "tatsu-lab/alpaca": {
        "data/train-00000-of-00001-a09b74b3ef9c3b56.parquet": [
            {"instruction": "Name a colour", "input": "", "output": "Red", "text": "…"},
            {"instruction": "Translate", "input": "Haus", "output": "house", "text": "…"},
            {"instruction": "No input at all", "input": None, "output": "", "text": "…"},
        ]
    },
    "NeelNanda/pile-10k": {
        "data/train-00000-of-00001-4746b8785c874cc7.parquet": [
            {"text": "It is done, and submitted.", "meta": {"pile_set_name": "Pile-CC"}},
            {"text": "def add(a, b):\n    return a + b", "meta": {"pile_set_name": "Github"}},
        ]
    },
}


@pytest.fixture
def serve(hub, tmp_path):
    """serve(name, layout=its own, …) puts a set on the loopback hub."""

    def put(name: str, layout=None, **more):
        repo = find_set(name).repo
        more.setdefault("revision", find_set(name).revision or "main")
        for file, rows in (LAYOUTS[repo] if layout is None else layout).items():
            path = tmp_path / "served" / repo / file
            path.parent.mkdir(parents=True, exist_ok=True)
            table = pd.DataFrame(rows)
            table.to_csv(path, index=False) if file.endswith("csv") else table.to_parquet(path)
        return hub.add(repo, tmp_path / "served" / repo, kind="dataset", **more)

    return put
