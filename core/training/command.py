"""What `hydrascope saes train` and the Models page call: a suite of SAEs for a model by its name.

Knows: the registry, engines, the shipped prompts, in which order a suite is made: SAEs, cards, labels. Does not know:
arguments as people type them, terminals, pages, queues.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from core.devices import Device
from core.engine import Engine, load
from core.errors import AssetError, InputError
from core.models.registry import base_spec
from core.models.trained import TrainedSuite, finish_suite, suite_folder, suite_name, training_folder, with_trained
from core.one_at_a_time import one_at_a_time
from core.progress import NEVER, QUIET, Progress, part
from core.prompts.shipped import prompts_file, read_shipped
from core.text.json_text import json_text
from core.text.reasons import reason_of
from core.training.estimate import Plan, plan_of
from core.training.labelling import label_suite
from core.training.pipeline import Texts, batch_sizes_for, train_saes
from core.training.record import Recorders
from core.training.settings import TrainingSettings
from core.training.turns import taking_turns
from core.training.weights import weights_used


def shipped_texts_for_training(more: Sequence[str] = (), file: Path | None = None) -> Texts:
    """The prompts of the training split of a file, the shipped one by default, and more if given; held out are those of
    the other splits.
    """
    shipped = read_shipped(file or prompts_file())
    held = [prompt.text for prompt in shipped if prompt.split != "train"]
    train = [prompt.text for prompt in shipped if prompt.split == "train"] + [text for text in more if text.strip()]
    often = [prompt.text for prompt in shipped if prompt.split == "train" and prompt.kind == "harmful"]
    taken = set(held)
    return Texts([text for text in dict.fromkeys(train) if text not in taken], held, often)


def texts_for(name: str, settings: TrainingSettings, more: Sequence[str] = ()) -> Texts:
    """What a model is trained on: the prompts that come with it, or the shipped ones, and more if given; of all these
    as many as the settings say, drawn by their seed.
    """
    return _drawn(shipped_texts_for_training(more, base_spec(name).prompts), settings)


def _drawn(texts: Texts, settings: TrainingSettings) -> Texts:
    """most_prompts of the prompts to train on and an eighth as many held out, in their order."""
    chance = random.Random(settings.seed)

    def some(prompts: Sequence[str], most: int) -> list[str]:
        kept = set(chance.sample(range(len(prompts)), min(most, len(prompts))))
        return [text for place, text in enumerate(prompts) if place in kept]

    train = some(texts.train, settings.most_prompts)
    taken = set(train)
    return Texts(
        train, some(texts.held_out, max(1, settings.most_prompts // 8)), [text for text in texts.often if text in taken]
    )


def load_plain(
    name: str,
    device: Device | None = None,
    dtype: str | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Engine:
    """The model that a name is about, without SAEs. Raises what `load` raises."""
    return load(base_spec(name), device, dtype, progress, cancelled)


def plan_for(name: str, engine: Engine, settings: TrainingSettings, prompts: Sequence[str] = ()) -> Plan:
    """What a training will take beyond what earlier ones answered. Raises InputError for layers it does not have."""
    check_layers(engine, settings)
    return plan_of(engine, settings, texts_for(name, settings, prompts), training_folder(name))


def check_layers(engine: Engine, settings: TrainingSettings) -> None:
    """Raises InputError for layers the model does not have."""
    if max(settings.layers) >= engine.n_layers:
        raise InputError(
            f"“{engine.spec.name}” has layers 0 to {engine.n_layers - 1}, so layer {max(settings.layers)} does not "
            "exist."
        )


def train_for(
    name: str,
    settings: TrainingSettings,
    *,
    prompts: Sequence[str] = (),
    engine: Engine | None = None,
    device: Device | None = None,
    dtype: str | None = None,
    recorders: Recorders | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> tuple[Path, dict[int, dict[str, Any]]]:
    """Train SAEs for the model called `name`, label them, and make them its suite `<model>/trained`.

    prompts: to train on beside the shipped ones. engine: of this model, where one is loaded; its SAEs are not used.
    recorders: who records the residuals, this process if None; closed when that is done.
    Goes on with a training of the same settings that was stopped. Returns the SAEs' folder, and layer → card. Raises
    UnknownModelError, InputError for layers the model does not have, AssetError, DownloadError, Cancelled.
    """
    if engine is None:
        engine = load_plain(name, device, dtype, part(progress, 0.0, 0.05), cancelled)
    plan_for(name, engine, settings, prompts).check_room()
    with _alone_in(training_folder(name), name, progress, cancelled) as folder:
        texts = texts_for(name, settings, prompts)
        return _trained(engine, name, texts, settings, folder, recorders, progress, cancelled)


@contextmanager
def _alone_in(folder: Path, name: str, progress: Progress, cancelled: Callable[[], bool]) -> Iterator[Path]:
    """The folder, for one process at a time; what a disk does to it meanwhile is one sentence. Raises AssetError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(folder / "training.lock", f"training SAEs for {name}", progress, cancelled):
            yield folder
    except (OSError, SafetensorError) as error:
        raise AssetError(
            f"The training cannot go on in {folder} ({reason_of(error)}). What is there is kept. Free some disk space, "
            "or set HYDRASCOPE_CACHE to a writable folder, and start the same training again: it goes on from there."
        ) from error


def _trained(
    engine: Engine,
    name: str,
    texts: Texts,
    settings: TrainingSettings,
    folder: Path,
    recorders: Recorders | None,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> tuple[Path, dict[int, dict[str, Any]]]:
    """The SAEs' folder, and layer → card."""
    weights = weights_used(engine)
    key = suite_key(settings, texts, weights)
    saes, sizes = suite_folder(name, key), batch_sizes_for(engine.model.device)
    with taking_turns(engine.model):
        done = train_saes(
            engine.model,
            engine.tokenizer,
            texts,
            settings,
            folder,
            saes,
            weights=weights,
            model_name=engine.spec.model_id,
            sizes=sizes,
            recorders=recorders,
            progress=part(progress, 0.05, 0.85),
            cancelled=cancelled,
        )
    suite = TrainedSuite(saes, settings.layers)
    spec = with_trained(base_spec(name), suite, suite_name(name))
    rest = part(progress, 0.9, 0.1)
    label_suite(engine, spec, done.chats, texts.train, done.recording, sizes, suite.labels, rest, cancelled)
    finish_suite(name, key, settings.layers)
    progress("The SAEs are trained and labelled", 1.0)
    return saes, done.cards


def suite_key(settings: TrainingSettings, texts: Texts, weights: str) -> str:
    """What SAEs of these settings, prompts and weights are known by: the same training is continued, another lies
    beside it. Suites of earlier versions have a key without weights: they stay in use, and are never continued.
    """
    chosen = json_text([settings.identity(), *map(list, texts), weights], sort_keys=True)
    return hashlib.sha256(chosen.encode()).hexdigest()[:12]
