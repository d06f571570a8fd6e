"""Rows and programs that several tests of the store share."""

from datetime import timedelta
from pathlib import Path

from cache.store.audits import Audit
from cache.store.database import now

ROOT = Path(__file__).resolve().parents[3]
#: A program that opens the store named by its argument, says whether it writes it, and holds it until its input ends.
HOLD = """
import sys
from pathlib import Path
from cache.store.database import Store
store = Store(Path(sys.argv[1]))
print(store.trouble or "writes", flush=True)
sys.stdin.read()
"""


def audit(prompt: str = "How do I bake bread?", edits: str = "", seconds: int = 0) -> Audit:
    """An audit made so many seconds from now."""
    return Audit(
        made_at=now() + timedelta(seconds=seconds),
        model="tiny",
        revision="r1",
        dtype="float32",
        device="cpu",
        direction="abc",
        prompt=prompt,
        edits=edits,
        score_before=1.5,
        score_after=-2.0,
        p_before=0.8,
        p_after=0.1,
        kl=0.02,
        kl_prompts=32,
        verdict_before="refused",
        verdict_after="complied",
        tokens=32,
        kl_low=0.01,
        kl_high=0.03,
        nll_unedited=3.0,
        nll_edited=2.0,
        nll_reference=1.0,
        nll_floor=False,
        reference_by="a person",
    )
