"""256 edit sets that all differ, in one batch: the prompt pass, and 32 tokens written to every row.

Beside the unhooked model on as many rows, which writes with its own key-value cache and as many rows at a step. No row
ends early: the end token is taken for a word, here and there.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks.demo_sets import PROMPT, random_sets
from benchmarks.honest import Yardstick, last_logits, make_resident, yardstick
from benchmarks.timing import interleaved, median, ratios, row, write
from core import Engine, load
from core.forward.token_budget import MOST_ANSWERS

SETS, FEATURES, TOKENS = 256, 200, 32


@torch.inference_mode()
def written(model, ids: torch.Tensor, rows: int, tokens: int) -> list[list[int]]:
    """Greedy answers of the plain model to the same prompt, `rows` at a time, none of which ends early."""
    found: list[list[int]] = []
    for first in range(0, rows, MOST_ANSWERS):
        some = min(MOST_ANSWERS, rows - first)
        step, past, mine = ids.expand(some, -1), None, [[] for _ in range(some)]
        for _ in range(tokens):
            logits, out = last_logits(model, step, past_key_values=past, use_cache=True)
            past, step = out.past_key_values, logits.argmax(-1)[:, None]
            for answer, token in zip(mine, step[:, 0].tolist(), strict=True):
                answer.append(token)
        found += mine
    return found


def compare(engine: Engine, sets: int, features: int, tokens: int, runs: int) -> dict:
    """Figures as `write` keeps them. Both sides are checked to write `tokens` tokens to every row."""
    endless = Engine(replace(engine.runtime, stop_ids=frozenset()), "rows of one length")
    make_resident(engine.model)
    edits, prompt = random_sets(engine, sets, features), engine.prompt(PROMPT)
    ids = torch.tensor([prompt.ids], device=engine.device)

    @torch.inference_mode()
    def unhooked():
        return last_logits(engine.model, ids.expand(sets, -1), use_cache=False)

    answers = endless.answers([PROMPT], edits, tokens)[0]
    if any(one.ended for one in answers):
        raise SystemExit("A row ended early, so the two do not do the same work; nothing is timed.")
    seconds = interleaved(
        {
            "prompt": lambda: engine.measure([PROMPT], edits),
            "unhooked prompt": unhooked,
            "written": lambda: endless.answers([PROMPT], edits, tokens),
            "unhooked written": lambda: written(engine.model, ids, sets, tokens),
        },
        runs,
    )
    return {
        "sets": sets,
        "features": features,
        "tokens": tokens,
        "seconds": seconds,
        # Speeds, as rows a second against the unhooked model's: above 1 is faster than no edit at all.
        "prompt_speed": ratios(seconds["unhooked prompt"], seconds["prompt"]),
        "written_speed": ratios(seconds["unhooked written"], seconds["written"]),
        "yardstick": tuple(yardstick(engine.model, seconds["unhooked prompt"], ids.numel() * sets, sets)),
        "tokens_per_second": sets * tokens / median(seconds["written"]),
    }


def show(found: dict, asked: float = 1.0) -> None:
    """The rows of the table; nothing beside an unhooked forward that is no yardstick. asked: of both speeds, at least."""
    measure = Yardstick(*found["yardstick"])
    row(f"the unhooked batch of {found['sets']}", measure.sentence())
    if not measure.serves:
        return
    for name, what in (("prompt_speed", "prompt pass"), ("written_speed", f"{found['tokens']} tokens a row")):
        middle, low, high = found[name]
        row(f"{what}: speed against the unhooked batch", f"{middle:.2f} ({low:.2f}–{high:.2f})", f"asked: ≥ {asked}")
    row("tokens written a second", f"{found['tokens_per_second']:.0f}")


def main(runs: int = 3) -> dict:
    engine = load("demo", device="cpu", dtype="float32")
    found = compare(engine, SETS, FEATURES, TOKENS, runs)
    print(f"Demo model, {SETS} distinct edit sets of {FEATURES} features in one batch, float32, {runs} runs")
    show(found)
    write("rows", found)
    return found


if __name__ == "__main__":
    main()
