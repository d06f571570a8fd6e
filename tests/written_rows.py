"""A ledger of rows that a test writes by hand."""

from __future__ import annotations

from core.discovery.ledger import Row


class Rows:
    """A ledger that is a dictionary."""

    def __init__(self, **stages):
        self.stages = stages

    def read(self, stage):
        return {i: v if isinstance(v, Row) else Row(stage, i, v) for i, v in self.stages.get(stage, {}).items()}


#: Two refused prompts flipped in Stage 1 and pruned, one not flipped.
SCREEN = {
    "harmful/0000": {"kept": True, "reason": "refused"},
    "harmful/0001": {"kept": True, "reason": "refused"},
    "harmful/0002": {"kept": False, "reason": "complied"},
    "harmful/0003": {"kept": False, "reason": "The prompt is empty; type a request."},
    "benign/0000": {"kept": True, "reason": "complied"},
    "benign/0001": Row("screen", "benign/0001", {}, "ZeroDivisionError: by zero"),
}
CANDIDATES = {
    "harmful/0000": {"k": 10, "features": 60, "tried": [[10, "complied"]]},
    "harmful/0001": {"k": 20, "features": 120, "tried": [[10, "degenerate"], [20, "complied"]]},
    "harmful/0004": {"k": None, "features": None, "tried": [[10, "refused"], [20, "refused"]]},
}
PRUNING = {
    "harmful/0000": {
        "pool": 60,
        "minimal": {"0.1": ["5-1", "5-2", "6-1"], "0.2": ["5-1"]},
        "verdicts": {"0.1": "complied", "0.2": "complied"},
        "tau": "0.2",
    },
    "harmful/0001": {
        "pool": 120,
        "minimal": {"0.1": ["5-1", "7-3"], "0.2": []},
        "verdicts": {"0.1": "complied", "0.2": "refused"},
        "tau": "0.1",
    },
}
