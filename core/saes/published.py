"""SAE suites by SAELens's names: where each SAE lies on the hub, in which layout, and how it becomes a dictionary.

Knows: SAELens's directory of releases, and the layouts that can be edited by column. Does not know: models, layouts'
contents, HTTP. What was packed once is used from then on without asking the hub: published weights do not change.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast, get_args

from core.errors import InputError
from core.hub.fetch import Listing, Wanted, fetch, look
from core.progress import NEVER, QUIET, Progress, part
from core.saes.dictionary import Dictionary
from core.saes.formats.config import is_centred, other_inputs, residual_layer
from core.saes.formats.normal_form import SaeFile
from core.saes.formats.open import SAE_FILES, TORCH, Layout, open_sae
from core.saes.packed import header_of, read_records

#: Share of a download-and-pack that is the download: a pack reads and writes what was downloaded once.
_DOWNLOAD = 0.8


class SaeRef(NamedTuple):
    """One published SAE: SAELens's names of release and SAE, for example gemma-scope-2b-pt-res-canonical and
    layer_12/width_65k/canonical.
    """

    release: str
    sae_id: str

    def __str__(self) -> str:
        return f"{self.release}/{self.sae_id}"


@dataclass(frozen=True)
class Published:
    """What SAELens's directory says of one SAE. folder: in the repository; of some suites the one file itself.

    scale: of its inputs, to be folded in. neuronpedia: “model/source” of its page, empty without one. trained_on: the
    model, by SAELens's name for it.
    """

    ref: SaeRef
    repo: str
    folder: str
    kind: Layout
    scale: float | None
    neuronpedia: str
    trained_on: str = ""

    @property
    def wanted(self) -> Wanted:
        """Its files on the hub, needed ones and those that may be there."""
        needed, possible = SAE_FILES[self.kind]
        names = (*needed, *(f"*{name}" for name in possible))
        files = tuple(str(PurePosixPath(self.folder, name)) for name in names)  # an empty name is the entry itself
        return Wanted(self.repo, files, inert=self.kind in TORCH)

    @property
    def identity(self) -> dict[str, Any]:
        """What its records are known by."""
        return {"name": f"{self.repo}/{self.folder}", "kind": self.kind, "scale": self.scale}

    @property
    def is_packed(self) -> bool:
        """Whether it can be opened without the hub."""
        return header_of(self.identity) is not None


@cache
def published(ref: SaeRef) -> Published:
    """Look an SAE up. Raises InputError for names SAELens does not know and layouts that cannot be edited by column."""
    release = _release(ref.release)
    if ref.sae_id not in release.saes_map:
        raise InputError(_unknown(f"The release {ref.release} has no SAE", ref.sae_id, release.saes_map))
    stated = release.config_overrides or {}  # over what the files say
    normalised, loaded_with = stated.get("normalize_activations") or "none", stated.get("model_from_pretrained_kwargs")
    if why := other_inputs(str(normalised), is_centred(loaded_with)):
        raise InputError(f"The SAE {ref} {why}")
    kind = release.conversion_func or "sae_lens"
    if kind not in get_args(Layout):
        raise InputError(
            f"The SAEs of {ref.release} are published in the layout “{kind}”, which cannot be read. Choose a "
            f"release in one of {', '.join(get_args(Layout))}."
        )
    return Published(
        ref,
        release.repo_id,
        release.saes_map[ref.sae_id],
        cast(Layout, kind),
        release.norm_scaling_factor.get(ref.sae_id),
        release.neuronpedia_id.get(ref.sae_id) or "",
        release.model or "",
    )


def open_published(
    ref: SaeRef, layer: int, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER
) -> Dictionary:
    """The dictionary of a published SAE: downloaded and packed on first use, from its records afterwards.

    Raises InputError, DownloadError, AssetError, Cancelled.
    """
    known = published(ref)

    def source() -> SaeFile:
        snapshot = fetch(known.wanted, part(progress, 0.0, _DOWNLOAD), cancelled)
        return open_sae(known.kind, snapshot / known.folder, known.scale)

    def share(done: float) -> None:
        progress(f"Packing the SAE of layer {layer}", _DOWNLOAD + (1 - _DOWNLOAD) * done)

    return read_records(known.identity, layer, str(ref), source, share, cancelled)


def residual_saes(release: str) -> dict[int, tuple[SaeRef, ...]]:
    """layer → the SAEs a release has at its residual stream, in the release's order. Raises InputError."""
    found: dict[int, list[SaeRef]] = {}
    for sae_id, folder in _release(release).saes_map.items():
        layer = named_layer(f"{release}/{sae_id} {folder}")
        if layer is not None and layer >= 0:  # what reads before the first layer reads embeddings
            found.setdefault(layer, []).append(SaeRef(release, sae_id))
    if not found:
        raise InputError(
            f"No SAE of the release {release} reads the residual stream after a layer. Choose a resid_post release."
        )
    return {layer: tuple(found[layer]) for layer in sorted(found)}


def named_layer(text: str) -> int | None:
    """The decoder layer after which an SAE reads, by the names its makers gave; None where it reads something else."""
    if re.search(r"embed|mlp|att|transcoder|clt|hook_z|(?<![a-z])resid_mid", text, re.IGNORECASE):
        return None
    if (hooked := residual_layer(text)) is not None:
        return hooked
    if found := re.search(r"(?:layer_|resid_post_layer_|\bl|L)(\d+)(?:r_|R-|_|/|\b)", text):
        return int(found[1])
    return None


def is_release(name: str) -> bool:
    """Whether SAELens knows a release of this name."""
    return name in _directory()


def sae_listing(repo: str, saes: Iterable[Published]) -> Listing:
    """What the hub has of these SAEs of one repository, in one question. Raises DownloadError."""
    every = [known.wanted for known in saes]
    files = tuple(name for wanted in every for name in wanted.files)
    return look(Wanted(repo, files, inert=any(wanted.inert for wanted in every)))


def _release(name: str) -> Any:
    if name not in _directory():
        raise InputError(_unknown("SAELens has no release", name, _directory()))
    return _directory()[name]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; see SAELens's list of pretrained SAEs."
    return f"{what} “{name:.80}”{hint}"


def _directory() -> dict[str, Any]:
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory  # slow to import

    return get_pretrained_saes_directory()
