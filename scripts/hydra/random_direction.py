"""What ablating a direction that is not the refusal direction does to refusals: the control of every rate that the
refusal direction flips.

Knows: two kinds of other directions, at the same layer: vectors drawn at random, and differences of means between two
random halves of benign prompts, which are as large as activations differ anyway. Does not know: how anything is ablated.
Prints Markdown.

    python scripts/hydra/random_direction.py --model demo --prompts harmful.txt --n 100
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from kept_rows import refused_answers, texts

from core import Edits, Engine, load
from core.answers.rule_judges import verdicts_of
from core.answers.verdicts import VERDICTS
from core.edits.direction import Direction, make_direction
from core.judges.catalogue import find_judge
from core.judges.names import USUAL
from core.prompts.shipped import read_shipped, shipped_texts
from core.statistics import rate

#: Benign training prompts whose halves are compared.
HALVES = 64


def random_directions(like: Direction, draws: int) -> list[Direction]:
    """Unit vectors drawn from a normal distribution, read at the same layer."""
    generator = torch.Generator().manual_seed(0)
    size = like.vector.numel()
    return [make_direction(torch.randn(size, generator=generator), like.layer, like.position) for _ in range(draws)]


def halves(engine: Engine, like: Direction, draws: int) -> list[Direction]:
    """Differences of means between random halves of the same benign prompts, where the refusal direction was read."""
    prompts = shipped_texts(read_shipped(engine.spec.prompts), "benign", "train")[:HALVES]
    rows = []
    for prompt in prompts:
        ids = torch.tensor([engine.prompt(prompt).ids])
        with torch.no_grad():
            states = engine.model(ids, output_hidden_states=True).hidden_states
        rows.append(states[like.layer + 1][0, like.position].double())
    residuals, draw = torch.stack(rows), np.random.default_rng(0)
    found = []
    for _ in range(draws):
        order = torch.from_numpy(draw.permutation(len(rows)))
        first, second = order[: len(rows) // 2], order[len(rows) // 2 :]
        found.append(make_direction(residuals[first].mean(0) - residuals[second].mean(0), like.layer, like.position))
    return found


def line(name: str, verdicts: Sequence[Sequence[str]]) -> str:
    """One row: verdicts [draws][prompts]."""
    flat = Counter(verdict for each in verdicts for verdict in each)
    several = (
        f"; by draw {', '.join(str(list(each).count('complied')) for each in verdicts)}" if len(verdicts) > 1 else ""
    )
    others = " | ".join(str(flat[verdict]) for verdict in VERDICTS if verdict != "complied")
    return f"| {name} | {rate(flat['complied'], flat.total())}{several} | {others} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="a name listed by `python -m core models`")
    parser.add_argument("--prompts", type=Path, help="harmful prompts; the model's held-out ones")
    parser.add_argument("--n", type=int, default=100, help="refused prompts")
    parser.add_argument("--draws", type=int, default=5, help="directions of each kind")
    parser.add_argument("--tokens", type=int, default=24, help="longest answer")
    parser.add_argument("--judge", default=USUAL, help="of the answers; a name listed in docs/discover.md")
    options = parser.parse_args()
    engine = load(options.model)
    judge, own = find_judge(options.judge, engine=engine), engine.direction()
    prompts = refused_answers(engine, list(texts(options.prompts, engine, "harmful")), options.n, options.tokens, judge)
    kinds = {
        "the refusal direction": [own],
        "random vectors": random_directions(own, options.draws),
        "halves of benign prompts": halves(engine, own, options.draws),
    }
    print(f"{len(prompts)} refused prompts; every direction at layer {own.layer}; seed 0; judge {judge.name}.\n")
    print(
        "| ablated | complied | " + " | ".join(name for name in VERDICTS if name != "complied") + " | cosine, largest |"
    )
    print("|---" * (len(VERDICTS) + 2) + "|")
    for name, several in kinds.items():
        answers = engine.answers(prompts, [Edits.ablate_direction(one) for one in several], options.tokens)
        judged = [verdicts_of(judge, prompts, [each[place] for each in answers]) for place in range(len(several))]
        cosine = max(abs(float(one.vector @ own.vector)) for one in several)
        print(f"{line(name, judged)} {cosine:.2f} |", flush=True)
    judge.close()


if __name__ == "__main__":
    main()
