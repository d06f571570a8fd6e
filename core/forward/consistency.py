"""Whether prompts together give a model's own numbers: tried once at the load of a model of a kind not tested here.

Knows: rows, prefixes and caches as `core.forward.batches` makes them. Does not know: which models there are beyond the
kinds that the tests cover. Other architectures keep states that cannot be repeated or padded (convolutions, linear
attention), or count positions in their own way.
"""

from __future__ import annotations

from typing import Any

import torch

from core.edits.edits import Edits
from core.forward.batches import prefix_pass, run, shared_prefix
from core.forward.growing import Growing
from core.forward.key_values import select
from core.forward.plan import Plan
from core.forward.runtime import Runtime
from core.prompts.template import Prompt, make_prompt

#: transformers' names of the architectures whose batches the tests compare with single prompts.
TESTED = frozenset(
    (
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "gpt2",
        "gpt_neox",
        "gpt_neo",
        "llama4_text",
    )
)
_SHORT, _LONG = "Hello, who are you?", "Please tell me in a few words how people bake a loaf of bread at home, and why."
#: Kinds of rotary positions whose angles transformers takes from the furthest position of the whole batch.
_BY_LENGTH = frozenset(("longrope", "dynamic", "su"))
#: Steps of generation that are compared; and how far logits may be apart, in standard deviations of a prompt's logits.
_STEPS, _APART, _APART_IN_HALF = 3, 1e-3, 0.2


def why_alone(runtime: Runtime) -> str:
    """Why this model's prompts must be run one by one, a sentence; empty where they can be run together."""
    config = runtime.model.config.get_text_config()
    kind = str(getattr(config, "model_type", ""))
    if scaled := _rope_types(config) & _BY_LENGTH:
        return (
            f"Prompts are run one by one, because this model's rotary positions ({', '.join(sorted(scaled))}) depend "
            "on the longest prompt of a batch."
        )
    if kind in TESTED:
        return ""
    prompts = [
        make_prompt(runtime.tokenizer, runtime.template, text, runtime.context_length) for text in (_SHORT, _LONG)
    ]
    plan = runtime.plan([Edits()])
    single = [_grown(runtime, plan, [prompt])[:, 0] for prompt in prompts]
    try:
        found = {
            "in a batch": _grown(runtime, plan, prompts),
            "after a shared prefix": _after_prefix(runtime, plan, prompts),
        }
    except Exception as error:  # whatever an architecture's cache raises, the prompts can be run by themselves
        return _sentence(kind, f"it cannot keep several at a time ({type(error).__name__})")
    allowed = _APART if runtime.dtype == torch.float32 else _APART_IN_HALF
    for how, logits in found.items():
        for row, alone in enumerate(single):
            apart = (logits[: len(alone), row] - alone[: len(logits)]).abs().max() / alone.std()
            if not float(apart) <= allowed:
                return _sentence(kind, f"{how}, its numbers are not those of each prompt alone")
    return ""


def _rope_types(config: Any) -> set[str]:
    """The kinds of rotary positions that a configuration names, for all layers or for each kind of layer."""
    found = set()
    for name in ("rope_parameters", "rope_scaling"):
        given = getattr(config, name, None) or {}
        for one in (given, *(part for part in given.values() if isinstance(part, dict))):
            found |= {str(one[key]) for key in ("rope_type", "type") if one.get(key)}
    return found


def _grown(runtime: Runtime, plan: Plan, prompts: list[Prompt]) -> torch.Tensor:
    """float32 [steps, prompts, vocabulary]: logits at the prompts' ends, then after each token appended to them."""
    growing, found = Growing(runtime, plan, [(prompt, 0) for prompt in prompts]), []
    for _ in range(_STEPS):
        found.append(growing.logits().float())
        growing.append([prompt.ids[-1] for prompt in prompts], range(len(prompts)))
    return torch.stack(found)


def _after_prefix(runtime: Runtime, plan: Plan, prompts: list[Prompt]) -> torch.Tensor:
    """float32 [1, prompts, vocabulary]: logits at the prompts' ends as measurements get them; and rows of a cache are
    taken as answers take them."""
    start = shared_prefix(prompts)
    if start:
        select(prefix_pass(runtime, plan, prompts[0], [0], start)[1], [0, 0])
    rows = {
        batch.prompts[i]: batch.logits[i]
        for batch in run(runtime, plan, prompts)
        for i in range(len(batch.logits))
        if batch.logits.shape[1]
    }
    return torch.stack([rows[0], rows[1]])[None]


def _sentence(kind: str, why: str) -> str:
    return f"Prompts are run one by one, because this architecture ({kind}) was tried at the load: {why}."
