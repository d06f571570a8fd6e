"""Labels for every demo feature without a network: top activating tokens in context, and tokens its decoder promotes.

Knows: the shipped SAEs, the tuned model, training conversations. Writes one small parquet file: layer, index, label,
density, max_activation, contexts (JSON), promoted.
"""

import argparse
import json

import numpy as np
import pandas as pd
import torch
from chats import answer_all, compose
from common import ASSETS, WORK, shared_prefix

from core import load
from core.dictionaries import activations

TOP, BEFORE, AFTER = 4, 6, 3


@torch.inference_mode()
def collect(engine, tokens: int):
    """(pieces [n], conversation number [n], position [n], layer → residuals [n, d_model])."""
    tokenizer, model = engine.runtime.tokenizer, engine.model.model
    answers = answer_all(WORK, engine)
    prefix = shared_prefix(tokenizer)
    conversations = compose(tokenizer, answers, "train", tokens, 2, 200)
    grabbed: dict[int, list[torch.Tensor]] = {n: [] for n in engine.spec.layers}
    handles = [
        model.layers[n].register_forward_hook(lambda m, a, out, n=n: grabbed[n].append(out[0, 1:].clone()))
        for n in grabbed
    ]
    pieces, number, position = [], [], []
    kept, model.config.num_hidden_layers = model.config.num_hidden_layers, max(grabbed) + 1
    try:
        for n, (ids, _) in enumerate(conversations):
            whole = prefix.tolist() + ids
            model(torch.tensor([whole]))
            pieces += [tokenizer.decode([i]) for i in whole[1:]]
            number += [n] * (len(whole) - 1)
            position += range(1, len(whole))
    finally:
        model.config.num_hidden_layers = kept
        for handle in handles:
            handle.remove()
    return pieces, np.array(number), np.array(position), {n: torch.cat(parts) for n, parts in grabbed.items()}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=40_000)
    options = parser.parse_args()
    engine = load("demo")
    pieces, number, position, residual = collect(engine, options.tokens)
    unembed = engine.model.get_output_embeddings().weight * engine.model.model.norm.weight
    special = torch.tensor(engine.runtime.tokenizer.all_special_ids)
    vocabulary = [engine.runtime.tokenizer.decode([i]) for i in range(len(unembed))]
    fixed = position < len(shared_prefix(engine.runtime.tokenizer))
    seen_once = ~fixed | (number == 0)  # the fixed prefix counts once
    begins = np.flatnonzero(np.diff(number, prepend=-1)).tolist()  # conversation → its first row
    rows = []
    for layer, x in residual.items():
        dictionary = engine.runtime.dictionaries[layer]
        for start, columns in dictionary.blocks(512):
            f = activations(x[torch.from_numpy(seen_once)], columns, dictionary.input_bias)
            where = np.flatnonzero(seen_once)
            value, top = f.topk(40, dim=0)
            promoted = (columns.decoder @ unembed.T).index_fill_(1, special, -torch.inf).topk(6, dim=1).indices
            density = (f > 0).float().mean(0)
            for i in range(f.shape[1]):
                contexts, words, used = [], [], set()
                for v, r in zip(value[:, i].tolist(), where[top[:, i].numpy()].tolist(), strict=True):
                    if v <= 0 or len(words) == 10:
                        break
                    low = max(r - BEFORE, begins[number[r]])
                    after = [pieces[j] for j in range(r + 1, min(r + 1 + AFTER, len(pieces))) if number[j] == number[r]]
                    before = "".join(pieces[low:r])
                    if (before, pieces[r]) in used:
                        continue
                    used.add((before, pieces[r]))
                    if len(contexts) < TOP:
                        contexts.append(
                            {"before": before, "token": pieces[r], "after": "".join(after), "activation": round(v, 2)}
                        )
                    words.append(pieces[r].strip() or repr(pieces[r])[1:-1])
                top_words = pd.Series(words).value_counts(sort=True).index[:3].tolist() if words else []
                out = [vocabulary[j].strip() or repr(vocabulary[j])[1:-1] for j in promoted[i].tolist()]
                rows.append(
                    {
                        "layer": layer,
                        "index": start + i,
                        "label": (" · ".join(top_words) or "silent on the sample") + f" → {', '.join(out[:3])}",
                        "density": round(float(density[i]), 5),
                        "max_activation": round(float(value[0, i]), 3),
                        "contexts": json.dumps(contexts, ensure_ascii=False),
                        "promoted": ", ".join(out),
                    }
                )
        print(f"labels of layer {layer}", flush=True)
    pd.DataFrame(rows).to_parquet(ASSETS / "labels.parquet", compression="zstd", compression_level=19, index=False)


if __name__ == "__main__":
    main()
