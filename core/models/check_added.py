"""A model that a person adds: from a few words to a checked entry of the list, before any weight is downloaded.

Knows: the order of the checks. Does not know: the list (`core.models.added`), pages, how anything is loaded. Of the
model its config.json and tokenizer are fetched, of SAEs their small files. What these do not say is checked at the
load.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import AssetError, DownloadError, InputError
from core.hub.fetch import Wanted, look
from core.models.added import AddedModel
from core.models.architecture import empty_model
from core.models.compatibility import check_hook, check_not_quantised, check_refusal_tokens, check_width
from core.models.files import MODEL_FILES, SMALL_FILES, model_folder
from core.models.refusal_tokens import cut_words, refusal_tokens
from core.models.registry import check_new_name, from_added
from core.models.spec import ModelSpec
from core.models.tokenizer import load_tokenizer
from core.progress import NEVER, QUIET, Progress, part
from core.prompts.beginning import check_beginning
from core.prompts.template import read_template
from core.saes.find import find_saes, read_configs, saes_text
from core.saes.published import SaeRef, is_release, published
from core.schemas.weights import INDEX, WeightsIndex
from core.shaped import read
from core.text.layers import layers_text
from core.text.reasons import reason_of

#: Shares of the work: the model's small files, then the SAEs'.
_MODEL_HERE = 0.6


@dataclass(frozen=True)
class Draft:
    """A model as a person describes it; texts may be untidy.

    model_id: its name on the hub, or its folder. saes, choose, layers: as `find_saes` takes them. refusal: words or
    ids, as `refusal_tokens` takes them. revision: branch, tag or commit on the hub; empty for main.
    """

    name: str
    model_id: str
    saes: str
    choose: str = ""
    layers: tuple[int, ...] = ()
    refusal: str = "I"
    revision: str = ""


@dataclass(frozen=True)
class Checked:
    """What was found. model: ready to be remembered. n_layers, d_model: the model's. pieces: the refusal tokens as
    text. unread: layers whose SAE says its width in its weights only, so that it is checked at the load. cut: refusal
    words of which only the beginning is a token. trained_on: other models that the SAEs say they were trained on.
    """

    model: AddedModel
    n_layers: int
    d_model: int
    pieces: tuple[str, ...]
    unread: tuple[int, ...]
    cut: tuple[str, ...] = ()
    trained_on: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found, in sentences for people."""
        tokens = zip(self.pieces, self.model.refusal_tokens, strict=True)
        sentences = [
            f"{self.model.model_id}: {self.n_layers} layers of {self.d_model}",
            f"SAEs at the residual stream after each layer: {saes_text(self.model.saes)}",
            "Refusal tokens, at the start of an answer: "
            + ", ".join(f"“{piece}” ({token})" for piece, token in tokens),
        ]
        if self.trained_on:
            sentences.append(
                f"The SAEs say that they were trained on {' and '.join(f'“{one:.80}”' for one in self.trained_on)}. "
                "For this model their features mean the same only if it was made from that one, as a chat model from "
                "its base."
            )
        for word in self.cut:
            sentences.append(
                f"“{word:.40}” is several tokens for this model, and only the first is read. The refusal score then "
                "counts every answer that begins with that token. Give a word that is one token if you can."
            )
        if self.unread:
            sentences.append(
                "Width unknown before the download and checked when the model is loaded: layers "
                f"{layers_text(self.unread)}"
            )
        return tuple(sentences)

    @property
    def spec(self) -> ModelSpec:
        return from_added(self.model)


#: For people who are not to learn which folders this machine has: said of whatever is not there or is no model.
NOT_FOUND = (
    "No model, or no SAEs, that can be used were found under these names. Check the spelling. Whoever runs this server "
    "can see the reason with `hydrascope models add`."
)


def check_for_strangers(draft: Draft, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> Checked:
    """`check_draft`, except that one same sentence stands for every folder that is not there, or holds no model.

    What is wrong with a model of the hub is told as ever. Raises as `check_draft`.
    """
    try:
        return check_draft(draft, progress, cancelled)
    except (AssetError, InputError, DownloadError) as error:
        release = draft.saes.strip().partition("/")[0]
        local = _can_be_local(draft.model_id.strip()) or not (release and is_release(release))
        # A name that the hub does not have must not be told from a folder that is no model.
        if local or type(error) is DownloadError:
            raise InputError(NOT_FOUND) from error
        raise


def _can_be_local(name: str) -> bool:
    return bool(name) and (name.startswith((".", "~")) or Path(name).expanduser().is_absolute() or Path(name).exists())


def check_draft(draft: Draft, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> Checked:
    """Everything that can be known of a model and its SAEs without their weights.

    Raises InputError (names, layers, choices), AssetError (files that do not fit), DownloadError, Cancelled.
    """
    name, model_id = draft.name.strip(), draft.model_id.strip()
    check_new_name(name)
    if not model_id:
        raise InputError("No model was given. Give its name on the hub, such as owner/model, or its folder.")
    if model_id == "demo-base":
        raise InputError("The demo's base model belongs to the demo. Give a model on the hub, or a folder.")
    saes = find_saes(draft.saes, draft.choose, draft.layers)
    refs = {layer: published(source) for layer, source in saes.items() if isinstance(source, SaeRef)}
    folder = Path(model_id).expanduser()
    # Whole, so that it is found again from wherever the next process starts.
    place = str(folder.resolve()) if folder.is_dir() else model_id
    found = AddedModel(
        name,
        place,
        (),
        saes,
        {layer: one.neuronpedia for layer, one in refs.items() if one.neuronpedia},
        draft.revision.strip() or None,
    )
    small = model_folder(from_added(found), part(progress, 0.0, _MODEL_HERE), cancelled, SMALL_FILES)
    whole = empty_model(name, place, small).config
    check_not_quantised(place, getattr(whole, "quantization_config", None))
    config = whole.get_text_config()
    _check_weights(found, small)
    n_layers, d_model = config.num_hidden_layers, config.hidden_size
    for layer, source in saes.items():  # before the SAEs' files are asked for: a layer too high needs none of them
        check_width(str(source), layer, None, name, n_layers, d_model)
    tokenizer = _tokenizer(name, place, small)
    tokens = refusal_tokens(tokenizer, draft.refusal)
    check_refusal_tokens(tokens, name, config.vocab_size)
    configs = read_configs(saes, part(progress, _MODEL_HERE, 1 - _MODEL_HERE), cancelled)
    for layer, one in configs.items():
        check_hook(str(saes[layer]), one.hook, layer)
        check_width(str(saes[layer]), layer, one.d_model, name, n_layers, d_model)
    progress("Checked", 1.0)
    return Checked(
        replace(found, refusal_tokens=tokens),
        n_layers,
        d_model,
        tuple(tokenizer.decode([t]) for t in tokens),
        tuple(layer for layer, one in configs.items() if one.d_model is None),
        cut_words(tokenizer, draft.refusal),
        tuple(sorted({one.trained_on for one in configs.values() if not _same_model(one.trained_on, place)})),
    )


def _same_model(said: str, place: str) -> bool:
    """Whether an SAE's word for its model can be this one's name: owners and folders before it are no difference. An
    SAE that does not say is taken for one of this model."""
    return not said or said.rpartition("/")[2].lower() == Path(place).name.lower()


def _check_weights(model: AddedModel, small: Path) -> None:
    """Raises AssetError for a model without weights that are read here, or with some missing. small: where its small
    files lie."""
    if (folder := Path(model.model_id)).is_dir():
        names = [path.name for path in folder.glob("model*.safetensors")]
    else:
        wanted = Wanted(model.model_id, MODEL_FILES, revision=model.revision)
        names = [file.name for file in look(wanted).files if file.name.endswith(".safetensors")]
    if not names:
        raise AssetError(
            f"{model.model_id} has no weights as safetensors (model*.safetensors), the only format that can be "
            "read. Convert it, or choose a repository that has them."
        )
    if missing := missing_shards(small, names):
        raise AssetError(
            f"{model.model_id} lacks {len(missing)} of the files that its model.safetensors.index.json names, first "
            f"{missing[0][:80]}. Get the missing files, or choose another copy."
        )


def missing_shards(folder: Path, names: Collection[str]) -> list[str]:
    """The files that a weights index in `folder` names and that are not among `names`; none without an index. Raises
    AssetError for an index that cannot be read."""
    index = folder / INDEX
    if not index.is_file():
        return []
    try:
        return sorted(read(WeightsIndex, index).files - set(names))
    except (OSError, ValueError) as error:
        raise AssetError(f"{INDEX} cannot be read ({reason_of(error)}). Download it again.") from error


def _tokenizer(name: str, place: str, folder: Path) -> Any:
    """The model's tokenizer, its chat template readable. Raises AssetError, InputError."""
    tokenizer = load_tokenizer(name, place, folder)
    if not tokenizer.is_fast:
        raise AssetError(
            f"The tokenizer of “{name}” in {place} has no tokenizer.json, which gives the position of each token in "
            "the text. Choose a model that has one."
        )
    check_beginning(name, read_template(tokenizer))
    return tokenizer
