"""`hydrascope saes`: train SAEs for a model, show how good SAEs are, and store SAEs as int8.

Knows: options as people type them, what is printed. Does not know: how an SAE is trained or stored.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands import workers
from core.commands.exit_codes import ExitCode
from core.commands.terminal import note, progress_bar, stop_on_interrupt, table
from core.errors import AssetError, Cancelled, InputError
from core.text.layers import layers_text, parse_layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.saes.card import SaeCard
    from core.training.settings import TrainingSettings

SUMMARY = "train SAEs for a model, show how good SAEs are, or store SAEs in a quarter of the size"
EXAMPLE = "hydrascope saes train qwen2.5-coder-0.5b-instruct --layers 11,13"
#: Field of the settings → option's metavariable and help. Defaults are the settings' own.
_OPTIONS = {
    "width": ("N", "features of an SAE (d_sae)"),
    "k": ("K", "active features per token while training"),
    "tokens": ("N", "tokens of chat text to train on"),
    "held_out_tokens": ("N", "tokens of other chat text to measure the quality on"),
    "most_prompts": ("N", "prompts the model answers at most; an eighth as many are held out"),
    "passes": ("X", "how often each token is seen"),
    "batch": ("N", "tokens per step"),
    "learning_rate": ("X", "Adam's highest learning rate"),
    "answer_tokens": ("N", "tokens of an answer at most"),
    "answers_each": ("N", "answers to each harmful prompt; further ones are sampled"),
    "seed": ("N", "seed of the weights and of the order of the text"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from core.training.settings import TrainingSettings

    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    train = actions.add_parser("train", help="train SAEs on the model's own chat text; the same command continues")
    train.add_argument("model", help="a name listed by `hydrascope models`")
    train.add_argument("--layers", required=True, metavar="N,N", help="decoder layers, such as 11,13 or 8-12")
    defaults = {field.name: field.default for field in fields(TrainingSettings)}
    for name, (shown, about) in _OPTIONS.items():
        default = defaults[name]
        written = f"--{name.replace('_', '-')}"
        train.add_argument(written, type=type(default), default=default, metavar=shown, help=f"{about} ({default:,})")
    train.add_argument(
        "--prompts",
        metavar="FILE_OR_SET",
        help="prompts to train on in addition to the shipped ones: a file or public set",
    )
    train.add_argument("--device", metavar="NAME", help="such as cpu or cuda (default: the best device)")
    train.add_argument("--dtype", metavar="NAME", help="float32, bfloat16 or float16 (default: by the model's size)")
    workers.add_arguments(train, "record the residuals")
    cards = actions.add_parser("cards", help="show how well the SAEs of a model read held-out text")
    cards.add_argument("model", help="a name listed by `hydrascope models`")
    shrink = actions.add_parser("shrink", help="store SAELens residual SAEs as int8, and say what that costs")
    shrink.add_argument("folder", type=Path, help="a SAELens SAE, or a folder that contains several")
    shrink.add_argument("out", type=Path, help="where to write them")
    shrink.add_argument("--model", required=True, metavar="NAME", help="the model that the SAEs read, for the cost")


def run(options: argparse.Namespace) -> int:
    """Train, show or shrink. Raises InputError, UnknownModelError, AssetError, DownloadError."""
    match options.action:
        case "train":
            return _train(options)
        case "cards":
            return _cards(options.model)
        case _:
            return _shrink(options)


def _train(options: argparse.Namespace) -> int:
    from core.models.registry import base_spec
    from core.models.trained import suite_name, training_folder
    from core.saes.card import cards_of
    from core.training.command import load_plain, plan_for, texts_for, train_for
    from core.training.estimate import probed

    settings, name = _settings(options), options.model
    workers.check(options)
    base_spec(name)  # an unknown name is reported before anything is read
    prompts = _prompts(options.prompts)
    try:
        with stop_on_interrupt() as interrupted:
            with progress_bar() as progress:
                engine = load_plain(name, options.device, options.dtype, progress, interrupted)
            plan = plan_for(name, engine, settings, prompts)
            plan.check_room()
            recorders = workers.recorders_for(options, name, engine)
            note(f"Training SAEs of width {settings.width:,} for {name}, layers {layers_text(settings.layers)}.")
            note(f"Runs on {engine.placement}. Files are kept in {training_folder(name)}.")
            for line in probed(engine, plan, settings, texts_for(name, settings, prompts)).lines:
                note(line)
            with progress_bar() as progress:
                folder, _ = train_for(
                    name,
                    settings,
                    prompts=prompts,
                    engine=engine,
                    recorders=recorders,
                    progress=progress,
                    cancelled=interrupted,
                )
    except (KeyboardInterrupt, Cancelled):
        note("Stopped. Everything so far is kept. Run the same command again to continue.")
        return ExitCode.INTERRUPTED
    _print_cards(cards_of({layer: folder / f"layer_{layer:02d}" for layer in settings.layers}))
    print(f"The SAEs are ready. Use them with --model {suite_name(name)}, or choose them on the Models page.")
    return ExitCode.DONE


def _settings(options: argparse.Namespace) -> TrainingSettings:
    """Raises InputError."""
    from core.training.settings import TrainingSettings

    chosen = {name: getattr(options, name) for name in _OPTIONS}
    return replace(TrainingSettings(layers=parse_layers(options.layers)), **chosen)


def _prompts(name_or_file: str | None) -> Sequence[str]:
    """Raises InputError, DownloadError."""
    from core.prompts.checked import check_list
    from core.prompts.public_sets import load_set

    if name_or_file is None:
        return ()
    with progress_bar() as progress:
        found = load_set(name_or_file, progress=progress)
    checked = check_list(found).some()
    for sentence in checked.notes():
        note(sentence)
    return checked.found.rows


def _cards(name: str) -> int:
    from core.models.registry import find_spec
    from core.saes.card import CARD, cards_of, useless_cards

    spec = find_spec(name)
    if not spec.saes:
        raise InputError(f"“{name}” has no SAEs. Train some with `hydrascope saes train {name}`.")
    cards = cards_of(spec.saes)
    if cards:
        _print_cards(cards)
    useless = useless_cards(spec.saes)
    if missing := set(spec.saes) - set(cards) - set(useless):
        print(
            f"No card for layers {layers_text(missing)}. The Audit page shows their reconstruction error on a prompt."
        )
    if useless:
        raise AssetError(
            f"The card ({CARD}) of layers {layers_text(useless)} cannot be read, or is of another SAE. Restore the "
            "file, or give the same training again, which measures it anew."
        )
    return ExitCode.DONE


def _print_cards(cards: Mapping[int, SaeCard]) -> None:
    from core.saes.card import COLUMNS, table_rows

    table([tuple(COLUMNS), *(tuple(row.values()) for row in table_rows(cards))])


def _shrink(options: argparse.Namespace) -> int:
    """Each SAE of the folder, with the variance it explains before and after on prompts that nothing was trained on."""
    from core.models.compatibility import check_width
    from core.models.registry import find_spec
    from core.prompts.shipped import held_out_file, prompts_file
    from core.saes.find import find_saes
    from core.saes.formats.int8 import shrink
    from core.saes.formats.open import open_sae
    from core.text.sizes import size_text
    from core.training.command import load_plain
    from core.training.shrinking import explained_variance, prompt_rows

    saes = {layer: Path(str(source)) for layer, source in find_saes(str(options.folder)).items()}
    targets = {n: options.out if len(saes) == 1 else options.out / folder.name for n, folder in saes.items()}
    for folder in targets.values():
        if folder.resolve() in {options.folder.resolve(), *(source.resolve() for source in saes.values())}:
            raise InputError("The result would overwrite the SAEs. Give another folder.")
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder} has files already. Give a new folder.")
    file = find_spec(options.model).prompts or prompts_file()
    with progress_bar() as progress:
        engine = load_plain(options.model, progress=progress)
    for layer, folder in saes.items():
        reads = len(open_sae("sae_lens", folder).output_bias)
        check_width(folder.name, layer, reads, engine.spec.name, engine.n_layers, engine.runtime.d_model)
    prompts = [text for kind in ("benign", "harmful") for text in held_out_file(file, options.model, kind)]
    rows = prompt_rows(engine, prompts, tuple(saes))
    printed: list[tuple[str, ...]] = [("layer", "size before", "size after", "explained variance before", "after")]
    for layer, folder in saes.items():
        target = targets[layer]
        shrink(folder, target)
        before, after = (explained_variance(place, rows[layer]) for place in (folder, target))
        sizes = [
            size_text(sum(file.stat().st_size for file in place.glob("*.safetensors"))) for place in (folder, target)
        ]
        printed.append((str(layer), *sizes, f"{before:.4f}", f"{after:.4f}"))
    table(printed)
    tokens = len(next(iter(rows.values())))
    print(f"Measured on {tokens:,} tokens of held-out prompts. The SAEs are in {options.out}.")
    return ExitCode.DONE
