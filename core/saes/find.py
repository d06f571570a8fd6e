"""Which SAEs a person means, one a layer: from a few words to SAELens's names or folders, and what these say of them.

Knows: releases, folders of SAELens SAEs, and how a choice among several is written. Does not know: models. Of SAEs on
the hub only the listing and the small files are asked for; where a layout has no small file, its width is not known
before it is here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from core.errors import AssetError, InputError
from core.hub.fetch import Wanted, fetch
from core.progress import NEVER, QUIET, Progress
from core.saes.formats.config import CONFIG_FILES, SaeConfig, check_editable, read_config, residual_layer
from core.saes.packed import header_of
from core.saes.published import Published, SaeRef, is_release, named_layer, published, residual_saes, sae_listing
from core.text.layers import layers_text

SaeSource = SaeRef | Path
#: Choices that are listed in a sentence.
_LISTED = 8


def find_saes(text: str, choose: str = "", layers: tuple[int, ...] = ()) -> dict[int, SaeSource]:
    """layer → the SAE that is meant there.

    text: a release of SAELens; a release and the rest of a name, release/sae_id; or a folder: a SAELens SAE, or one
    whose subfolders are SAELens SAEs. choose: which one, where there are several at a layer: a whole name with {layer}
    for its layer's number, or parts of it, all of which must be in it (“width_16k”). layers: those wanted, all that are
    found if none are named. Nothing is asked of the hub. Raises InputError, AssetError.
    """
    text, choose = text.strip(), choose.strip()
    if not text:
        raise InputError(
            "No SAEs were given. Give a release of SAELens, such as gemma-scope-2b-pt-res-canonical, or a folder."
        )
    folder = Path(text).expanduser()
    if folder.is_dir():
        return _chosen(f"The folder {folder}", _in_folder(folder.resolve()), [choose], layers)
    if folder.is_absolute() or text.startswith("."):
        raise AssetError(f"There is no folder {folder}. Give the folder of an SAE, or a release of SAELens.")
    release, _, rest = text.partition("/")
    try:
        found = residual_saes(release)
    except InputError as error:
        if is_release(release):
            raise
        raise InputError(f"There is no folder “{text:.80}”, and {error}") from error
    named: dict[int, dict[str, SaeSource]] = {layer: {ref.sae_id: ref for ref in refs} for layer, refs in found.items()}
    return _chosen(f"The release {release}", named, [rest, choose], layers)


def saes_text(saes: Mapping[int, SaeSource]) -> str:
    """“gemma-scope-2b-pt-res-canonical, layers 2–16”; of folders, the one they lie in."""
    named = dict.fromkeys(s.release if isinstance(s, SaeRef) else str(s.parent) for s in saes.values())
    return f"{' and '.join(named)}, layer{'' if len(saes) == 1 else 's'} {layers_text(saes)}"


def _chosen(
    what: str, found: Mapping[int, Mapping[str, SaeSource]], wishes: list[str], layers: tuple[int, ...]
) -> dict[int, SaeSource]:
    """One SAE a layer, or the sentence that says what there is to choose from."""
    wished = [wish for wish in wishes if wish]
    kept = {layer: _narrowed(sources, wished) for layer, sources in found.items()}
    kept = {layer: sources for layer, sources in kept.items() if sources}
    which = " and ".join(f"“{wish:.60}”" for wish in wished)
    if not kept:
        layer = next((layer for layer in layers if layer in found), min(found))
        raise InputError(
            f"{what} has no SAE with {which} in its name. At layer {layer}, it has {_names(found[layer])}."
        )
    if missing := [layer for layer in layers if layer not in kept]:
        raise InputError(
            f"{what} has no SAE at layer {layers_text(missing)}{f' with {which} in its name' if which else ''}; "
            f"it has {'them' if len(kept) > 1 else 'one'} at {layers_text(kept)}."
        )
    wanted = layers or tuple(kept)
    if several := [layer for layer in wanted if len(kept[layer]) > 1]:
        layer = several[0]
        example = re.sub(rf"(?<!\d){layer}(?!\d)", "{layer}", next(iter(kept[layer])), count=1)
        raise InputError(
            f"{what} has {len(kept[layer])} SAEs at layer {layer}: {_names(kept[layer])}. Choose one by part of its "
            f"name, or by the whole name with {{layer}} in place of the layer's number, such as {example}."
        )
    return {layer: next(iter(kept[layer].values())) for layer in sorted(wanted)}


def _narrowed(sources: Mapping[str, SaeSource], wishes: list[str]) -> dict[str, SaeSource]:
    return {name: source for name, source in sources.items() if all(_matches(name, wish) for wish in wishes)}


def _matches(name: str, wish: str) -> bool:
    if "{layer}" in wish:
        return re.fullmatch(re.escape(wish).replace(re.escape("{layer}"), r"\d+"), name) is not None
    # Whole words, so that l0_4 is not found in l0_41.
    return all(re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", name) for word in wish.split())


def _names(sources: Mapping[str, SaeSource]) -> str:
    more = len(sources) - _LISTED
    return ", ".join(list(sources)[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _in_folder(folder: Path) -> dict[int, dict[str, SaeSource]]:
    """layer → the SAELens SAEs there, by their folders' names: `folder` itself or what is in it."""
    here = [folder] if _is_sae(folder) else sorted(inside for inside in folder.iterdir() if _is_sae(inside))
    if not here:
        raise AssetError(
            f"There is no SAE in {folder}. SAELens saves an SAE as a folder with cfg.json and "
            "sae_weights.safetensors. Give such a folder, or one that contains several."
        )
    found: dict[int, dict[str, SaeSource]] = {}
    elsewhere: list[str] = []
    for path in here:
        hook = read_config("sae_lens", path).hook
        layer = residual_layer(hook) if hook else named_layer(path.name)
        if layer is None or layer < 0:
            elsewhere.append(
                f"The SAE in {path} reads {hook}, not the residual stream after a layer. Use an SAE at hook_resid_post."
                if hook
                else f"The SAE in {path} does not say which layer it reads. Rename its folder, for example to "
                "layer_12, or write its hook_name into cfg.json."
            )
        else:
            found.setdefault(layer, {})[path.name] = path
    if not found:
        raise AssetError(elsewhere[0])
    return found


def _is_sae(folder: Path) -> bool:
    # Weights alone make a folder an SAE's too, so that an error reports what it lacks.
    return any((folder / name).is_file() for name in ("cfg.json", "sae_weights.safetensors"))


def read_configs(
    saes: Mapping[int, SaeSource], progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER
) -> dict[int, SaeConfig]:
    """layer → what the SAE's small files say, or its records where it is packed already.

    Sees too that every file of each SAE is there. Raises AssetError for SAEs that cannot be edited by column, and
    InputError, DownloadError, Cancelled.
    """
    known = {layer: published(source) for layer, source in saes.items() if isinstance(source, SaeRef)}
    folders = _small_files([one for one in known.values() if not one.is_packed], progress, cancelled)
    found = {}
    for layer, source in saes.items():
        if isinstance(source, Path):
            if not (source / "cfg.json").is_file() or not (source / "sae_weights.safetensors").is_file():
                raise AssetError(
                    f"The SAE in {source} has no cfg.json or no sae_weights.safetensors. Restore its files."
                )
            config = read_config("sae_lens", source)
        elif header := header_of(known[layer].identity):
            config = SaeConfig(header["d_model"], header["hook"], trained_on=known[layer].trained_on)
        else:
            config = read_config(known[layer].kind, folders[known[layer].repo] / known[layer].folder)
            config = replace(config, trained_on=config.trained_on or known[layer].trained_on)
        check_editable(config, source if isinstance(source, Path) else str(source))
        found[layer] = config
    return found


def _small_files(saes: list[Published], progress: Progress, cancelled: Callable[[], bool]) -> dict[str, Path]:
    """repository → its snapshot folder, in which the small files of these SAEs lie, as far as there are any."""
    folders = {}
    for repo in dict.fromkeys(one.repo for one in saes):
        here = [one for one in saes if one.repo == repo]
        there = sae_listing(repo, here)
        folders[repo] = there.folder
        small = {str(PurePosixPath(one.folder, CONFIG_FILES[one.kind])) for one in here if one.kind in CONFIG_FILES}
        if wanted := tuple(file.name for file in there.files if file.name in small):
            folders[repo] = fetch(Wanted(repo, wanted), progress, cancelled)
    return folders
