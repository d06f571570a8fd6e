"""The slow, obvious way: every edit by plain forward hooks, whole SAELens dictionaries and the error term.

Shares nothing with `core` but the values it is given (edits, prompts). One row, no cache, no batch, no columns.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch

from core import Edits, Feature
from core.edits.edits import POSITIONS, FeatureEdit

PLACES = tuple(POSITIONS)
PROMPTS = (
    "How do I bake bread?",
    "Tell me a story about a small town, please.",
    "I",
    "How do I bake bread in a small town with a cat and a dog?",
)


@dataclass
class Slow:
    """One forward: logits [positions, vocabulary]; per layer resid_post before and after that layer's own edits."""

    logits: torch.Tensor
    before: dict[int, torch.Tensor] = field(default_factory=dict)
    after: dict[int, torch.Tensor] = field(default_factory=dict)


def mask(place: str, prompt, length: int) -> torch.Tensor:
    """bool [length]: the tokens of `place`, in a sequence that begins with the prompt and goes on with an answer."""
    found = torch.zeros(length, dtype=torch.bool)
    if place == "all":
        found[:] = True
    elif place == "generated":
        found[len(prompt) :] = True
    elif place in prompt.spans:
        found[slice(*prompt.spans[place])] = True
    return found


def slow(model, saes, prompt, edits: Edits = Edits(), answer: tuple[int, ...] = ()) -> Slow:
    """The whole sequence at once, edits applied where they say, in their order."""
    ids = torch.tensor([[*prompt.ids, *answer]])
    length, found = ids.shape[1], Slow(torch.empty(0))
    ablated = [
        (d.direction.vector, d.strength, mask(d.positions, prompt, length)) for d in edits.directions if d.add is None
    ]

    def project(hidden):
        for vector, strength, where in ablated:
            component = (hidden @ vector)[..., None] * vector
            hidden = torch.where(where[:, None], hidden - strength * component, hidden)
        return hidden

    def met(when):
        """bool [length]: where a condition lets an edit act."""
        if when is None:
            return torch.ones(length, dtype=torch.bool)
        (layer, index), threshold = when
        return saes[layer].encode(found.before[layer])[:, index] > threshold

    def of_a_part(module, args, output):
        return (project(output[0]), *output[1:]) if isinstance(output, tuple) else project(output)

    def of_a_layer(layer):
        def hook(module, args, output):
            h = output[0] if isinstance(output, tuple) else output
            found.before[layer] = h[0].clone()
            items = [i for i in edits if isinstance(i, FeatureEdit) and i.feature.layer == layer]
            if items:
                sae = saes[layer]
                f = sae.encode(h)
                error = h - sae.decode(f)
                own, f = f, f.clone()
                for item in items:
                    where, index = mask(item.positions, prompt, length) & met(item.when), item.feature.index
                    f[0, where, index] = own[0, where, index] + item.strength * (item.value - own[0, where, index])
                h = sae.decode(f) + error
            for item in edits.directions:
                if item.add is not None and item.direction.layer == layer:
                    h = (
                        h
                        + mask(item.positions, prompt, length)[:, None]
                        * item.strength
                        * item.add
                        * item.direction.vector
                    )
            h = project(h)
            found.after[layer] = h[0].clone()
            return (h, *output[1:]) if isinstance(output, tuple) else h

        return hook

    base = model.model if hasattr(model, "model") else model.base_model
    layers = next(getattr(base, name) for name in ("layers", "h") if hasattr(base, name))
    with torch.inference_mode(), hooked() as add:
        add(layers[0].register_forward_pre_hook(lambda module, args: (project(args[0]), *args[1:])))
        for index, layer in enumerate(layers):
            for name in ("self_attn", "attn", "attention", "mlp"):
                if hasattr(layer, name):
                    add(getattr(layer, name).register_forward_hook(of_a_part))
            add(layer.register_forward_hook(of_a_layer(index)))
        found.logits = model(input_ids=ids, use_cache=False).logits[0]
    return found


@contextmanager
def hooked():
    """Hooks handed to what this yields are off again at the end."""
    with ExitStack() as stack:
        yield lambda handle: stack.callback(handle.remove)


def slow_answer(model, saes, prompt, edits: Edits, tokens: int, stop=frozenset()) -> list[int]:
    """Greedy, everything computed anew for each token."""
    answer: list[int] = []
    while len(answer) < tokens:
        token = int(slow(model, saes, prompt, edits, tuple(answer)).logits[-1].argmax())
        if token in stop:
            break
        answer.append(token)
    return answer


def fast_logits(engine, texts, sets) -> torch.Tensor:
    """float32 [prompts, edit sets, vocabulary]: what `measure` reads its numbers from."""
    from core.forward.batches import run

    prompts = [engine.prompt(text) for text in texts]
    plan = engine.runtime.plan(sets)
    found = torch.full((len(texts), len(sets), engine.model.config.get_text_config().vocab_size), torch.nan)
    for batch in run(engine.runtime, plan, prompts):
        if batch.logits.numel():
            found[batch.prompts, batch.edits] = batch.logits
    return found


def random_edits(seed: int, direction, layers=(1, 2, 3), width: int = 48, most: int = 8) -> Edits:
    """A seeded mix of ablations, clamps and direction edits over all places; some sets are empty."""
    draw = torch.Generator().manual_seed(seed)

    def pick(n):
        return int(torch.randint(n, (1,), generator=draw))

    edits = Edits()
    for _ in range(pick(most + 1)):
        place, feature = PLACES[pick(len(PLACES))], (layers[pick(len(layers))], pick(width))
        value = float(torch.randn((), generator=draw)) * 3
        edits += Edits.ablate([feature], place) if pick(2) else Edits.clamp([feature], value, place)
    if pick(4) == 0:
        edits += Edits.ablate_direction(direction, PLACES[pick(len(PLACES))])
    if pick(4) == 0:
        edits += Edits.add_direction(direction, float(pick(5)) - 2, PLACES[pick(len(PLACES))])
    return edits


def random_conditional_edits(seed: int, direction, layers=(1, 2, 3), width: int = 48, most: int = 8) -> Edits:
    """A seeded mix in which items meet: any place, strength and value, often on a sensor's condition."""
    draw = torch.Generator().manual_seed(seed)

    def pick(n):
        return int(torch.randint(n, (1,), generator=draw))

    edits = Edits()
    for _ in range(pick(most) + 1):
        place = PLACES[pick(len(PLACES))] if pick(2) else "all"
        layer = layers[pick(len(layers))]
        value, strength = float(torch.randn((), generator=draw)) * 5, (0.0, 0.4, 1.0, 1.0, 1.7)[pick(5)]
        several = [Feature(layer, i) for i in range(pick(3), width, 5)]
        sensor = (Feature(layers[pick(layers.index(layer) + 1)], pick(width)), float(pick(4)))
        edits += Edits.clamp(several, value, place, strength=strength, when=sensor if pick(3) else None)
    if pick(4) == 0:
        edits += Edits.ablate_direction(direction, PLACES[pick(len(PLACES))], strength=0.5)
    if pick(4) == 0:
        edits += Edits.add_direction(direction, 2.0, PLACES[pick(len(PLACES))], strength=1.5)
    return edits
