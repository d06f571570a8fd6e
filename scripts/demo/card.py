"""Write the measured figures into the demo's model card, between its two marks. Measures nothing itself.

Knows: `figures.json` (evaluate.py and phenomena.py), the cards beside the SAEs (saes.py) and the shipped direction's record.
"""

import json

from common import ASSETS

from core.edits.direction import load_direction
from core.models.registry import find_spec
from core.saes.card import SaeCard, cards_of
from core.statistics import Estimate, rate

BEGIN, END = "<!-- figures: scripts/demo/card.py -->", "<!-- end of figures -->"


def percent(r: dict) -> str:
    return f"{r['rate']:.1%} (n={r['n']}, 95% CI {r['low']:.1%}–{r['high']:.1%})"


def sae_line(card: SaeCard) -> str:
    random = ("–", "–") if card.random is None else tuple(f"{value:.3f}" for value in card.random)
    figures = (
        card.text(name, form) for name, form in (("explained_variance", ".3f"), ("l0", ".1f"), ("silent", ".1%"))
    )
    figures = (*figures, card.text("ce_recovered", ".3f"))
    return f"| {card.layer} | {' | '.join((*figures, *random))} |"


def number(e: dict, form: str) -> str:
    """A number with its interval and n."""
    return Estimate(**e).text(form)


def candidate(c: dict, name: str, form: str) -> str:
    """One of a candidate direction's means, over its harmful prompts where it is the ablated score. Records made before
    26 November 2026 hold no intervals.
    """
    if f"{name}_low" not in c:
        return f"{c[name]:{form}}"
    n = c["harmful" if name == "ablated_score" else "harmless"]
    return number({"value": c[name], "n": n, "low": c[f"{name}_low"], "high": c[f"{name}_high"]}, form)


def lines(figures: dict, direction, cards: dict[int, SaeCard]) -> list[str]:
    out = [
        "### Refusal (`python scripts/demo/evaluate.py --parts refusals`)",
        "",
        "| prompts never trained on | refused | degenerate |",
        "| --- | --- | --- |",
    ]
    out += [
        f"| {name.replace('_', ' ')} | {percent(r)} | {percent(r['degenerate'])} |"
        for name, r in figures["refusals"].items()
    ]
    p = figures["perplexity"]
    out += [
        "",
        f"Perplexity of the base model's own greedy answers to {p['prompts']} held-out benign prompts "
        f"({p['tokens']} tokens): base {number(p['base'], '.3f')}, tuned {number(p['tuned'], '.3f')}, ratio "
        f"{number(p['ratio'], '.3f')} (`--parts perplexity`).",
        "",
    ]
    out += [
        "### SAEs (`python scripts/demo/saes.py`)",
        "",
        "| layer | explained variance | L0 | silent | cross-entropy recovered | explained variance, random | recovered, random |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    out += [sae_line(card) for card in cards.values()]
    out += [
        "",
        f"On {min(card.tokens for card in cards.values()):,} held-out chat tokens (test prompts and held-out documentation), the fixed "
        "prefix left out. Random: as many random directions, with as many of them active. "
        "In brackets: 95% intervals, over conversations; of the silent features over features.",
        "",
    ]
    record = direction.provenance
    out += [
        "### Refusal direction (`python scripts/demo/direction.py`)",
        "",
        f"Shipped: layer {direction.layer}, rule “{record['rule']}”. Layers each rule chooses: {record['chosen']}. Prompts: {record['n']}, "
        f"{record['dropped']} dropped.",
        "",
        "| layer | flips | degenerate | ablated score | KL benign | induced score |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    out += [
        f"| {c['layer']} | {rate(round(c['flip_rate'] * c['tried']), c['tried'])} | {c['degenerate_rate']:.0%} | "
        f"{candidate(c, 'ablated_score', '+.2f')} | {candidate(c, 'kl', '.3f')} | {candidate(c, 'induced_score', '+.2f')} |"
        for c in record["candidates"]
    ]
    f = figures["phenomena"]
    out += [
        "",
        "### The paper's phenomena (`python scripts/demo/phenomena.py`)",
        "",
        f"On {f['n_refused']} held-out harmful prompts that are refused unedited:",
        "",
        "| edit | complied | degenerate answers |",
        "| --- | --- | --- |",
        f"| refusal direction ablated | {percent(f['direction'])} | {f['direction']['degenerate']} |",
    ]
    out += [f"| top-{k} features a layer ablated | {percent(r)} | {r['degenerate']} |" for k, r in f["top_k"].items()]
    out += [
        f"| smallest K that flips (paper, Stage 1) | {percent(f['stage1'])} | |",
        f"| only the active ones of the top-{f['fixed_k']} | {percent(f['active_only'])} | |",
        f"| as many random active features as of the top-{f['fixed_k']} (mean {number(f['random_active']['size'], '.0f')}) | {percent(f['random_active'])} | |",
        "",
        "Judged by `rules`, 24 tokens. "
        f"Active ones against random ones, paired exact (McNemar) p = {f['mcnemar_p']:.2g}. Dormant features wake on "
        f"{percent(f['woken']['prompts_with_any'])} of prompts, {number(f['woken']['each'], '.1f')} a prompt, of which "
        f"{number(f['woken']['at_bos'], '.1f')} at BOS (where they depend on the edit alone, not on the prompt).",
        "",
        "Mean KL on held-out benign prompts, nats: "
        + ", ".join(f"{k}: {number(v, '.3f')}" for k, v in f["kl"].items())
        + ".",
    ]
    return out


def main() -> None:
    path = ASSETS / "README.md"
    figures = json.loads((ASSETS / "figures.json").read_text())
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n".join(lines(figures, load_direction(ASSETS / "direction.safetensors"), cards_of(find_spec("demo").saes)))
    path.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}")


if __name__ == "__main__":
    main()
