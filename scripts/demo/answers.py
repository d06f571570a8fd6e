"""The base model's own answers to the bundled benign prompts, with the words it nearly said.

Knows: the unchanged base model, the bundled prompts. Does not know: refusals, adapters, SAEs.
The answers (and the top next-token log-probabilities at each answer position) are what the
refusal adapter is held to on benign prompts, so that it changes refusal and little else. The base opens one in six of its
answers to look-alikes with “I” (“I'm sorry for any confusion, but as a chatbot …”), so here it is kept from opening with
that token: the first-token probability of “I” is to mean refusal, as it does for the paper's models.
Resumable: prompts already in the output folder are not answered again.
"""

import argparse
import hashlib
from pathlib import Path

import torch
from common import PROMPTS_FILE, WORK, base_model, load_prompts, template
from safetensors.torch import load_file, save_file

TOP = 48  # next-token log-probabilities kept at each answer position; the rest is one tail bucket
NEW_TOKENS = 24


def key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@torch.inference_mode()
def answer_batch(model, tokenizer, texts: list[str], not_first: int | None = None) -> list[dict[str, torch.Tensor]]:
    """Greedy answers, left-padded batch. Each: ids [T], top_index [T, TOP], top_logprob [T, TOP].

    not_first: a token the answer may not open with; its probability there is shared out among the others.
    """
    prompts = [template(tokenizer, text) for text in texts]
    width = max(map(len, prompts))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    out = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        pad_token_id=pad,
        begin_suppress_tokens=None if not_first is None else [not_first],
    )
    if not_first is not None:
        out.logits[0][:, not_first] = -torch.inf
    logprobs = [step.float().log_softmax(-1).topk(TOP, -1) for step in out.logits]
    answers = []
    for row in range(len(texts)):
        new = out.sequences[row, width:]
        ended = (new == tokenizer.eos_token_id).nonzero()
        length = int(ended[0]) + 1 if len(ended) else len(new)
        answers.append(
            {
                "ids": new[:length].clone(),
                "top_index": torch.stack([logprobs[t].indices[row] for t in range(length)]).to(torch.int32),
                "top_logprob": torch.stack([logprobs[t].values[row] for t in range(length)]),
            }
        )
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--split", help="only this split: test is enough for the SAEs' cards")
    options = parser.parse_args()
    folder = WORK / "answers"
    folder.mkdir(parents=True, exist_ok=True)
    texts = [p.text for p in load_prompts(PROMPTS_FILE) if p.kind != "harmful" and options.split in (None, p.split)]
    todo = sorted((t for t in texts if not (folder / f"{key(t)}.safetensors").exists()), key=lambda t: (len(t), t))
    if not todo:
        return
    model, tokenizer = base_model()
    refusal = tokenizer("I").input_ids[0]
    for start in range(0, len(todo), options.batch):
        batch = todo[start : start + options.batch]
        for text, answer in zip(batch, answer_batch(model, tokenizer, batch, refusal), strict=True):
            save_file(answer, folder / f"{key(text)}.safetensors")
        print(f"answers {start + len(batch)}/{len(todo)}", flush=True)


def read_answer(text: str) -> dict[str, torch.Tensor]:
    return load_file(Path(WORK / "answers" / f"{key(text)}.safetensors"))


if __name__ == "__main__":
    main()
