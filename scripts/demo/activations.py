"""Record resid_post of the tuned model on the composed conversations, as float16 files, one a layer.

Knows: conversations (chats.py), the tuned model. Does not know: SAEs. The shared prefix runs once; BOS and the rest of the
fixed prefix are left out but for a few copies. Written to `activations/layer_NN.f16` with a JSON of the counts. Resumable.
"""

import argparse
import copy
import json
import time

import numpy as np
import torch
from chats import answer_all, compose
from common import WORK, shared_prefix


@torch.inference_mode()
def record(engine, conversations: list, layers: list[int], folder, budget: int = 4096) -> dict:
    """Run conversations in length-sorted batches up to the highest layer only; append float16 rows per layer."""
    folder.mkdir(parents=True, exist_ok=True)
    done_file = folder / "done.json"
    done = json.loads(done_file.read_text()) if done_file.exists() else {"batches": 0, "tokens": 0, "content": 0}
    tokenizer, model = engine.tokenizer, engine.model.model
    prefix = shared_prefix(tokenizer)
    order = sorted(range(len(conversations)), key=lambda i: len(conversations[i][0]))
    batches, batch, width = [], [], 0
    for i in order:
        width = max(width, len(conversations[i][0]))
        if batch and width * (len(batch) + 1) > budget:
            batches.append(batch)
            batch, width = [], len(conversations[i][0])
        batch.append(i)
    batches.append(batch)
    np.random.default_rng(0).shuffle(batches)
    grabbed: dict[int, torch.Tensor] = {}
    hooks = [model.layers[n].register_forward_hook(lambda m, a, out, n=n: grabbed.__setitem__(n, out)) for n in layers]
    kept_layers, model.config.num_hidden_layers = model.config.num_hidden_layers, max(layers) + 1
    files = {n: (folder / f"layer_{n:02d}.f16").open("r+b" if done["batches"] else "wb") for n in layers}
    for file in files.values():  # a half-written batch of a stopped run is written over
        file.truncate(done["tokens"] * model.config.hidden_size * 2)
        file.seek(0, 2)
    started = time.time()
    try:
        start = model(prefix[None], use_cache=True).past_key_values
        head = {n: grabbed[n][0, 1:].half() for n in layers}  # the fixed prefix without BOS
        for number in range(done["batches"], len(batches)):
            rows = [conversations[i] for i in batches[number]]
            width = max(len(ids) for ids, _ in rows)
            ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
            keep = torch.tensor([[True] * len(ids) + [False] * (width - len(ids)) for ids, _ in rows])
            past = copy.deepcopy(start)
            past.batch_repeat_interleave(len(rows))
            model(
                ids,
                past_key_values=past,
                use_cache=True,
                position_ids=torch.arange(len(prefix), len(prefix) + width)[None],
            )
            for n in layers:
                part = grabbed[n][keep].half()
                torch.cat([part, head[n]]).numpy().tofile(files[n])
            done["tokens"] += int(keep.sum()) + len(prefix) - 1
            done["content"] += sum(sum(content) for _, content in rows)
            done["batches"] = number + 1
            for file in files.values():
                file.flush()
            done_file.write_text(json.dumps(done))
            if number % 10 == 0:
                print(f"batch {number + 1}/{len(batches)} {done} {time.time() - started:.0f}s", flush=True)
    finally:
        model.config.num_hidden_layers = kept_layers
        for hook in hooks:
            hook.remove()
        for file in files.values():
            file.close()
    return done


def main() -> None:
    from core import load

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", required=True)
    parser.add_argument("--tokens", type=int, default=1_020_000)
    options = parser.parse_args()
    engine = load("demo")
    answers = answer_all(WORK, engine)
    conversations = compose(engine.tokenizer, answers, "train", options.tokens, 0, 320)
    layers = [int(n) for n in options.layers.split(",")]
    print(record(engine, conversations, layers, WORK / "activations"))


if __name__ == "__main__":
    main()
