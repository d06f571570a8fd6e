"""From a spec to a loaded runtime: files, weights, SAEs, hooks, put together and checked against each other.

Knows: in which order. Does not know: how any part is read (`core.models`, `core.saes`), or what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from core import devices
from core.errors import Cancelled
from core.forward import half_precision
from core.forward.consistency import why_alone
from core.forward.hooks import install_hooks
from core.forward.loaded import remember
from core.forward.runtime import Runtime
from core.models.architecture import decoder_layers
from core.models.compatibility import check_refusal_tokens, check_width
from core.models.digest import Digests, model_digest, sae_digests
from core.models.files import MODEL_HERE, SAES_HERE, model_folder, open_dictionaries
from core.models.placement import computes_on, layer_devices
from core.models.spec import ModelSpec
from core.models.weights import load_weights
from core.progress import NEVER, QUIET, Progress, part
from core.prompts.beginning import check_beginning
from core.prompts.template import read_template
from core.saes.device_cache import Residency, budget_for
from core.saes.dictionary import Dictionary
from core.settings import MEMORY, THINKING


def load_runtime(
    spec: ModelSpec,
    device: devices.Device | None,
    dtype: str | None,
    progress: Progress,
    cancelled: Callable[[], bool] = NEVER,
) -> tuple[Runtime, str]:
    """Load everything `spec` names. Returns the runtime and why device and dtype were chosen.

    cancelled: asked while files are downloaded and packed, and between steps. Raises AssetError, Cancelled,
    DownloadError, InputError.
    """
    devices.placement_for(0, device, dtype)  # a device that is not there is reported before the long work
    MEMORY.read()  # likewise a size that cannot be read
    folder = model_folder(spec, part(progress, 0.0, MODEL_HERE), cancelled)
    dictionaries = open_dictionaries(spec, progress, cancelled)
    progress("Loading the model", SAES_HERE)
    model, tokenizer, placement = load_weights(spec, folder, device, dtype)
    config = model.config.get_text_config()
    template = read_template(tokenizer, spec.system, THINKING.read())
    check_beginning(spec.name, template)
    check_refusal_tokens(spec.refusal_tokens, spec.name, config.vocab_size)
    _check_widths(spec, dictionaries, config.num_hidden_layers, config.hidden_size)
    places = layer_devices(decoder_layers(model))
    (first,) = computes_on(model.get_input_embeddings())
    install_hooks(model)
    if placement.spread is None and half_precision.helps(placement.device, placement.dtype):
        half_precision.install_float32_products(model)
    runtime = Runtime(
        spec=spec,
        model=model,
        tokenizer=tokenizer,
        template=template,
        dictionaries=dictionaries,
        residency=Residency(budget_for((first, *places))),
        device=first,
        devices=places,
        dtype=placement.dtype,
        n_layers=len(decoder_layers(model)),
        d_model=config.hidden_size,
        context_length=config.max_position_embeddings,
        stop_ids=_stop_ids(model, tokenizer),
        digests=Digests(model_digest(folder, spec), sae_digests(dictionaries)),
    )
    if cancelled():
        raise Cancelled("Loading the model was stopped.")
    runtime = replace(runtime, alone=why_alone(runtime))
    progress("Ready", 1.0)
    reason = f"{placement.reason.rstrip('.')}. {runtime.alone}" if runtime.alone else placement.reason
    return remember(runtime), reason


def with_saes(
    runtime: Runtime, spec: ModelSpec, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER
) -> Runtime:
    """The same weights, in memory once, with the SAEs of another spec of the same model. Raises AssetError, Cancelled,
    DownloadError, InputError.
    """
    dictionaries = open_dictionaries(spec, progress, cancelled)
    _check_widths(spec, dictionaries, runtime.n_layers, runtime.d_model)
    residency = Residency(budget_for((runtime.device, *runtime.devices)))
    digests = runtime.digests._replace(saes=sae_digests(dictionaries))
    return replace(runtime, spec=spec, dictionaries=dictionaries, residency=residency, digests=digests)


def _check_widths(spec: ModelSpec, dictionaries: Mapping[int, Dictionary], n_layers: int, d_model: int) -> None:
    for layer, dictionary in dictionaries.items():
        check_width(dictionary.name, layer, dictionary.d_model, spec.name, n_layers, d_model)


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    named = model.generation_config.eos_token_id
    ids = set(named if isinstance(named, list) else [] if named is None else [named])
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    return frozenset(ids)
