"""Write the measured figures into the demo's model card, between its two marks. Measures nothing itself.

Knows: `figures.json` (evaluate.py and phenomena.py) and the shipped direction's record.
"""

import json

from common import ASSETS

from core.edits.direction import load_direction

BEGIN, END = "<!-- figures: scripts/demo/card.py -->", "<!-- end of figures -->"


def percent(r: dict) -> str:
    return f"{r['rate']:.1%} (n={r['n']}, 95% CI {r['low']:.1%}–{r['high']:.1%})"


def lines(figures: dict, direction) -> list[str]:
    out = [
        "### Refusal (`python scripts/demo/evaluate.py --parts refusals`)",
        "",
        "| prompts never trained on | refused | degenerate |",
        "| --- | --- | --- |",
    ]
    out += [
        f"| {name.replace('_', ' ')} | {percent(r)} | {r['degenerate']:.1%} |"
        for name, r in figures["refusals"].items()
    ]
    p = figures["perplexity"]
    out += [
        "",
        f"Perplexity of the base model's own greedy answers to {p['prompts']} held-out benign prompts "
        f"({p['tokens']} tokens): base {p['base']:.3f}, tuned {p['tuned']:.3f}, ratio {p['ratio']:.3f} (`--parts perplexity`).",
        "",
    ]
    out += [
        "### SAEs (`python scripts/demo/evaluate.py --parts saes`)",
        "",
        "| layer | explained variance | L0 | silent | cross-entropy recovered |",
        "| --- | --- | --- | --- | --- |",
    ]
    out += [
        f"| {s['layer']} | {s['explained_variance']:.3f} | {s['l0']:.1f} | {s['dead']:.1%} | {s['ce_recovered']:.3f} |"
        for s in figures["saes"]
    ]
    out += [
        "",
        f"On {figures['saes'][0]['tokens']:,} held-out chat tokens (test prompts and held-out documentation), BOS left out.",
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
        f"| {c['layer']} | {c['flip_rate']:.0%} | {c['degenerate_rate']:.0%} | {c['ablated_score']:+.2f} | {c['kl']:.3f} | {c['induced_score']:+.2f} |"
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
        f"| only the active ones of that set | {percent(f['active_only'])} | |",
        f"| as many random active features (mean {f['random_active']['mean_size']:.0f}) | {percent(f['random_active'])} | |",
        "",
        f"Active ones against random ones, paired exact (McNemar) p = {f['mcnemar_p']:.2g}. Dormant features wake on "
        f"{percent(f['woken']['prompts_with_any'])} of prompts, {f['woken']['mean']:.1f} a prompt, of which {f['woken']['mean_at_bos']:.1f} "
        "at BOS (where they depend on the edit alone, not on the prompt).",
        "",
        "Mean KL on 50 held-out benign prompts, nats: " + ", ".join(f"{k}: {v:.3f}" for k, v in f["kl"].items()) + ".",
    ]
    return out


def main() -> None:
    path = ASSETS / "README.md"
    figures = json.loads((ASSETS / "figures.json").read_text())
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n".join(lines(figures, load_direction(ASSETS / "direction.safetensors")))
    path.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}")


if __name__ == "__main__":
    main()
