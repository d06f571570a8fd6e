"""The whole of a training, in order, each step going on where it was stopped.

Knows: the steps and where their files lie. Does not know: the registry, the command line, queues.

    folder/answers.jsonl               the model's answers
    folder/recorded/, folder/held_out/ float16 residuals
    saes/layer_NN/                     a finished SAE (int8), with card.json
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import torch

from core.hashes import sha256_of
from core.kept_files import write_whole
from core.progress import NEVER, QUIET, Progress, part
from core.saes.card import CARD, WEIGHTS, read_card
from core.saes.formats.open import open_sae
from core.text.json_text import json_text, json_value
from core.training.answers import answer_prompts
from core.training.card import Sae, make_card
from core.training.chats import Chats, Pair, compose
from core.training.record import Here, Recorders, Recording, record
from core.training.settings import TrainingSettings
from core.training.train import is_trained, train_layer


class Texts(NamedTuple):
    """Prompts to train on and prompts held out. often: those of `train` answered `answers_each` times."""

    train: Sequence[str]
    held_out: Sequence[str]
    often: Sequence[str] = ()


class Done(NamedTuple):
    """What a training made. cards: layer → the card of its SAE. chats, recording: what was trained on."""

    cards: dict[int, dict[str, Any]]
    chats: Chats
    recording: Recording


class BatchSizes(NamedTuple):
    """How much a device takes at once. tokens: of a forward pass. answers: rows that are generated together."""

    tokens: int = 4096
    answers: int = 64


#: Where a quality card says which held-out text it was measured on.
_HELD_OUT = "held_out"
#: What a laptop's processor takes.
SMALL = BatchSizes()


def gather(
    model: Any,
    tokenizer: Any,
    texts: Texts,
    settings: TrainingSettings,
    folder: Path,
    weights: str,
    sizes: BatchSizes = SMALL,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> tuple[Chats, Chats]:
    """(conversations to train on, conversations held out), with the model's own answers. weights: as
    `core.training.weights` tells those of `model`. Raises Cancelled.
    """
    file, made = folder / "answers.jsonl", settings.answer_tokens

    def answered(prompts: Sequence[str], number: int, start: float, size: float) -> list[Pair]:
        return answer_prompts(
            model,
            tokenizer,
            prompts,
            file,
            weights=weights,
            new_tokens=made,
            number=number,
            batch=sizes.answers,
            progress=part(progress, start, size),
            cancelled=cancelled,
        )

    pairs = answered(texts.train, 0, 0.0, 0.6)
    for number in range(1, settings.answers_each):
        pairs += answered(
            texts.often, number, 0.6 + 0.3 * (number - 1) / settings.answers_each, 0.3 / settings.answers_each
        )
    held = answered(texts.held_out, 0, 0.9, 0.1)
    shape = {"longest": settings.longest, "most_requests": settings.most_requests}
    return (
        compose(tokenizer, pairs, settings.tokens, seed=settings.seed, **shape),
        compose(tokenizer, held, settings.held_out_tokens, seed=settings.seed + 1, **shape),
    )


def record_all(
    model: Any,
    chats: tuple[Chats, Chats],
    settings: TrainingSettings,
    folder: Path,
    weights: str,
    sizes: BatchSizes = SMALL,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
    recorders: Recorders | None = None,
) -> tuple[Recording, Recording]:
    """Residuals of both sets of conversations, all layers in one pass. weights: as of `gather`. recorders: as of
    `record`; closed afterwards. Raises Cancelled, AssetError.
    """
    train, held = chats
    chosen = recorders or Here(model)

    def recorded(of: Chats, name: str, start: float, size: float) -> Recording:
        return record(
            model,
            of,
            settings.layers,
            folder / name,
            weights=weights,
            budget=sizes.tokens,
            recorders=chosen,
            progress=part(progress, start, size),
            cancelled=cancelled,
        )

    with closing(chosen):
        return recorded(train, "recorded", 0, 0.9), recorded(held, "held_out", 0.9, 0.1)


def finish_layer(
    model: Any,
    recordings: tuple[Recording, Recording],
    held: Chats,
    layer: int,
    settings: TrainingSettings,
    folder: Path,
    *,
    model_name: str = "",
    sizes: BatchSizes = SMALL,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> dict[str, Any]:
    """Train one layer into `folder` and measure its card on the weights as they were stored. Raises Cancelled."""
    ready = is_trained(folder, recordings[0], layer, settings, model.device)
    if ready and (found := _stored_card(folder, recordings[1])) is not None:
        return found
    if not ready:
        train_layer(
            recordings[0],
            layer,
            settings,
            folder,
            device=model.device,
            model_name=model_name,
            progress=progress,
            cancelled=cancelled,
        )
    return measure_layer(model, recordings[1], held, layer, settings, folder, sizes)


def _stored_card(folder: Path, held: Recording) -> dict[str, Any] | None:
    """The card in `folder`; None where there is none of this held-out text and these weights that can be read:
    it is measured again."""
    try:
        found: dict[str, Any] = json_value((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if read_card(folder) is None or found.get(_HELD_OUT) != held.digest:
        return None
    return found if found.get("weights", "") in ("", sha256_of(folder / WEIGHTS)) else None


def measure_layer(
    model: Any,
    recording: Recording,
    held: Chats,
    layer: int,
    settings: TrainingSettings,
    folder: Path,
    sizes: BatchSizes = SMALL,
) -> dict[str, Any]:
    """Measure the card of an SAE as it is stored in `folder`, and put it beside the weights.

    held, recording: conversations that nothing was trained on, and their residuals.
    """
    stored = open_sae("sae_lens", folder)
    sae = Sae(stored.block(0, stored.d_sae), stored.output_bias, stored.subtracts_bias).to(model.device)
    card = make_card(sae, recording.rows(layer), model, held, layer, sizes.tokens)
    told = json_value((folder / "cfg.json").read_text()).get("metadata", {})
    card |= {"k": settings.k, "seed": settings.seed, "training_tokens": told.get("distinct_training_tokens")}
    card |= {_HELD_OUT: recording.digest, "weights": sha256_of(folder / WEIGHTS)}
    write_whole(folder / CARD, json_text(card, indent=1) + "\n")
    return card


def train_saes(
    model: Any,
    tokenizer: Any,
    texts: Texts,
    settings: TrainingSettings,
    folder: Path,
    saes: Path | None = None,
    *,
    weights: str,
    model_name: str = "",
    sizes: BatchSizes = SMALL,
    recorders: Recorders | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Done:
    """Train the SAE of each layer into saes/layer_NN, by default in `folder`. weights: as of `gather`. recorders: as of
    `record_all`. Raises Cancelled, AssetError, InputError.

    What was finished before is not done again, so the same call goes on with a training that was stopped.
    """
    places = {layer: (saes or folder / "saes") / f"layer_{layer:02d}" for layer in settings.layers}
    chats = gather(model, tokenizer, texts, settings, folder, weights, sizes, part(progress, 0.0, 0.4), cancelled)
    recordings = record_all(
        model, chats, settings, folder, weights, sizes, part(progress, 0.4, 0.2), cancelled, recorders
    )
    cards, size = {}, 0.4 / len(places)
    for number, (layer, place) in enumerate(places.items()):
        cards[layer] = finish_layer(
            model,
            recordings,
            chats[1],
            layer,
            settings,
            place,
            model_name=model_name,
            sizes=sizes,
            progress=part(progress, 0.6 + number * size, size),
            cancelled=cancelled,
        )
    progress("The SAEs are trained", 1.0)
    return Done(cards, chats[0], recordings[0])


def batch_sizes_for(device: torch.device) -> BatchSizes:
    """What suits a device: small passes on a CPU, large ones where the memory of a GPU allows."""
    if device.type != "cuda":
        return SMALL
    free, _ = torch.cuda.mem_get_info(device)
    return BatchSizes(tokens=32_768, answers=256) if free > 30e9 else BatchSizes(tokens=8192, answers=64)
