"""Self-repair the slow way: plain forward hooks on the plain model, one edit set and one run at a time.

Shares nothing with `core` but edits and prompts. `run` gives what each part added and the final residual stream at the
last token; parts can be held there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from tests.oracles import hooked

ADDS = {  # what puts out that which is added to the stream
    "attention": ("self_attn", "attn", "attention"),
    "mlp": ("mlp",),
}
BEHIND = {"attention": "post_attention_layernorm", "mlp": "post_feedforward_layernorm"}


@dataclass
class Run:
    """parts: (layer, part) → [d_model]. edits: layer → [d_model], what the edit wrote there. final: [d_model]."""

    parts: dict = field(default_factory=dict)
    edits: dict = field(default_factory=dict)
    final: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    logits: torch.Tensor = field(default_factory=lambda: torch.empty(0))


def base_of(model):
    return model.model if hasattr(model, "model") else model.base_model


def layers_of(model):
    base = base_of(model)
    return next(getattr(base, name) for name in ("layers", "h") if hasattr(base, name))


def adder(layer, part):
    """The module whose output is added, and whether it is the part itself."""
    if hasattr(layer, "post_feedforward_layernorm"):
        return getattr(layer, BEHIND[part]), False
    return next(getattr(layer, name) for name in ADDS[part] if hasattr(layer, name)), True


def run(model, saes, prompt, features=(), strength=1.0, direction=None, held=None) -> Run:
    """features: [Feature] ablated at every token; direction: (unit vector, strength) projected out everywhere."""
    found, held = Run(), held or {}
    unit, amount = direction or (None, 0.0)

    def project(h):
        return h if unit is None else h - amount * (h @ unit)[..., None] * unit

    def part_hook(key):
        def hook(module, args, output):
            h = (output[0] if isinstance(output, tuple) else output).clone()
            if key in held:
                h[0, -1] = held[key]
            itself = adder(layers_of(model)[key[0]], key[1])[1]
            h = project(h) if itself else h
            found.parts[key] = h[0, -1].clone()
            return (h, *output[1:]) if isinstance(output, tuple) else h

        return hook

    def raw_hook(module, args, output):
        h = output[0] if isinstance(output, tuple) else output
        return (project(h), *output[1:]) if isinstance(output, tuple) else project(h)

    def layer_hook(index):
        def hook(module, args, output):
            h = output[0] if isinstance(output, tuple) else output
            written = torch.zeros_like(h)
            for feature in features:
                if feature.layer == index:
                    f = saes[index].encode(h)[..., feature.index]
                    written = written - strength * f[..., None] * saes[index].W_dec[feature.index]
            found.edits[index] = written[0, -1].clone()
            h = project(h + written)
            found.final = h[0, -1].clone()
            return (h, *output[1:]) if isinstance(output, tuple) else h

        return hook

    layers = layers_of(model)
    with torch.inference_mode(), hooked() as add:
        add(layers[0].register_forward_pre_hook(lambda module, args: (project(args[0]), *args[1:])))
        for index, layer in enumerate(layers):
            for part in ADDS:
                module, itself = adder(layer, part)
                if not itself:
                    add(
                        next(getattr(layer, n) for n in ADDS[part] if hasattr(layer, n)).register_forward_hook(raw_hook)
                    )
                add(module.register_forward_hook(part_hook((index, part))))
            add(layer.register_forward_hook(layer_hook(index)))
        found.logits = model(input_ids=torch.tensor([prompt.ids]), use_cache=False).logits[0, -1]
    return found


@torch.inference_mode()
def logit(model, h, tokens, scale_of=None) -> float:
    """Mean logit of `tokens` less that of all, of a final residual stream h; the norm's scale is that of `scale_of`."""
    base = base_of(model)
    norm = next(getattr(base, name) for name in ("norm", "ln_f", "final_layer_norm") if hasattr(base, name))
    centred = isinstance(norm, torch.nn.LayerNorm)
    other = h if scale_of is None else scale_of
    spread = other - other.mean() if centred else other
    scale = (spread.double().pow(2).mean() + (norm.eps if hasattr(norm, "eps") else norm.variance_epsilon)).sqrt()
    own = h.double() - h.double().mean() if centred else h.double()
    weight = norm.weight.double() + (1.0 if type(norm).__name__.startswith("Gemma") else 0.0)
    y = own / scale * weight + (norm.bias.double() if centred else 0.0)
    logits = model.get_output_embeddings().weight.double() @ y
    return float(logits[list(tokens)].mean() - logits.mean())
