"""Stand-ins made once: a Llama and a Mistral that say yes or no, a Llama that says safe or unsafe."""

from __future__ import annotations

import pytest

from core.judges import LLAMA2_CLS_PROMPT, MISTRAL_CLS_PROMPT
from tests.core.judges.standins import ANSWERS, PROMPTS, llama3_like, network, save, sentencepiece_like, teach


@pytest.fixture(scope="session")
def harmbench_folders(tmp_path_factory):
    """name of the judge → folder of its stand-in."""
    folders = {}
    for seed, (name, kind, prompt) in enumerate(
        (("harmbench-llama", "llama", LLAMA2_CLS_PROMPT), ("harmbench-mistral", "mistral", MISTRAL_CLS_PROMPT))
    ):
        tokenizer = sentencepiece_like()
        model = network(kind, len(tokenizer), tokenizer.eos_token_id, seed)
        texts = [
            tokenizer(prompt.format(behavior=p, generation=a)).input_ids for p, a in zip(PROMPTS, ANSWERS, strict=True)
        ]
        vocabulary = tokenizer.get_vocab()
        teach(model, (vocabulary["▁Yes"], vocabulary["▁No"]), {}, texts)
        folders[name] = save(tmp_path_factory.mktemp(name), model, tokenizer)
    return folders


@pytest.fixture(scope="session")
def guard_folder(tmp_path_factory):
    tokenizer = llama3_like()
    vocabulary = tokenizer.get_vocab()
    end = vocabulary["<|eot_id|>"]
    model = network("llama", len(tokenizer), end, 7)
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": p}, {"role": "assistant", "content": a}], tokenize=True, return_dict=False
        )
        for p, a in zip(PROMPTS, ANSWERS, strict=True)
    ]
    safe, unsafe, line, letter, digit = (vocabulary[word] for word in ("safe", "unsafe", "Ċ", "S", "2"))
    teach(model, (unsafe, safe), {safe: end, unsafe: line, line: letter, letter: digit, digit: end}, texts)
    # What a repository's own settings may ask for, and what must not happen to a judge.
    model.generation_config.update(do_sample=True, temperature=5.0, top_p=1.0, max_length=4096)
    return save(tmp_path_factory.mktemp("llama-guard-2"), model, tokenizer)
