"""Published SAE files, each suite in its own layout, read as blocks of features in SAELens's normal form.

Knows: file formats, key names, and what SAELens's loaders do to them. Does not know: where files come from, records,
models. A block is read by itself, so a dictionary of gigabytes is never whole in memory. No code of a file is run.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import torch
from safetensors import safe_open

from core.errors import AssetError
from core.saes.formats import torch_suites
from core.saes.formats.config import check_editable, read_config, unreadable
from core.saes.formats.int8 import SIGN, check_weights, int8_file
from core.saes.formats.normal_form import LINEAR, SaeFile, sae_file
from core.saes.formats.zip_members import array_header, data_offset, unpacked_array
from core.schemas.saes import LlamaScopeConfig, LlamaScopeHyperparameters
from core.shaped import read

Layout = Literal[
    "sae_lens",
    "gemma_2",
    "gemma_3",
    "llama_scope",
    "llama_scope_r1_distill",
    "dictionary_learning_1",
    "goodfire",
    "deepseek_r1",
]
#: What SAELens's directory calls an SAE's folder holds, by layout: the files that are needed, and those that may be
#: there. An empty name: the entry is no folder but the one file itself.
SAE_FILES: Mapping[Layout, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sae_lens": (("cfg.json", "sae_weights.safetensors"), ()),
    "gemma_2": (("params.npz",), ()),
    "gemma_3": (("params.safetensors",), ("config.json",)),
    "llama_scope": (("hyperparams.json", "checkpoints/final.safetensors"), ()),
    "llama_scope_r1_distill": (("config.json", "sae_weights.safetensors"), ()),
    "dictionary_learning_1": (("config.json", "ae.pt"), ()),
    "goodfire": (("",), ()),
    "deepseek_r1": (("",), ()),
}
#: Layouts of torch's own format, which nothing but `core.saes.formats.torch_zip` may open.
TORCH: frozenset[Layout] = frozenset(("dictionary_learning_1", "goodfire", "deepseek_r1"))


class _Safetensors:
    def __init__(self, path: Path) -> None:
        self._file = safe_open(path, "pt")
        self._names = set(self._file.keys())

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._file.get_slice(name).get_shape())

    def part(self, name: str, *where: slice) -> torch.Tensor:
        if not self.shape(name):
            return self._file.get_tensor(name).float()
        return self._file.get_slice(name)[where or (slice(None),)].float()

    def half(self) -> bool:
        return {self._file.get_slice(name).get_dtype() for name in self._names} == {"F16"}


class _Npz:
    """numpy's archive; members lie in it as they are (np.savez), so they are mapped, not read."""

    def __init__(self, path: Path) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                # Older files of the suite write w_enc where newer ones write W_enc; SAELens takes both.
                name = "W_" + name[2:] if name.startswith("w_") else name
                if member.compress_type == zipfile.ZIP_STORED:
                    self._arrays[name] = _mapped(path, file, data_offset(file, member))
                else:
                    self._arrays[name] = unpacked_array(archive, member)

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def shape(self, name: str) -> tuple[int, ...]:
        return self._arrays[name].shape

    def part(self, name: str, *where: slice) -> torch.Tensor:
        return torch.from_numpy(np.array(self._arrays[name][where], dtype=np.float32))

    def half(self) -> bool:
        return all(array.dtype == np.float16 for array in self._arrays.values())


def _mapped(path: Path, file: BinaryIO, offset: int) -> np.ndarray:
    """The .npy that lies as it is from `offset` on."""
    file.seek(offset)
    kind, shape, fortran = array_header(file)
    order: Literal["F", "C"] = "F" if fortran else "C"
    return np.memmap(path, kind, "r", file.tell(), shape, order)


def open_sae(kind: Layout, folder: Path, scale: float | None = None) -> SaeFile:
    """Look at an SAE's files. folder: as SAELens's directory names it, for some suites a file. scale: SAELens's
    norm_scaling_factor of it, for Llama Scope.

    Raises AssetError for missing, unreadable or inconsistent files and for SAEs that cannot be edited by column.
    """
    wanted = SAE_FILES[kind][0]
    if missing := [name for name in wanted if not (folder / name).is_file()]:
        if missing == [""]:
            raise AssetError(f"There is no SAE in {folder}: {folder.name} does not exist, or is not a file.")
        raise AssetError(
            f"There is no SAE in {folder}. It needs {' and '.join(wanted)}, but {' and '.join(missing)} is missing."
        )
    try:
        found = _OPENERS[kind](folder, scale)
    except AssetError:
        raise
    except Exception as error:  # each format has its own kinds; all mean that the files are not what their names say
        raise unreadable(folder, error) from error
    return found


def _sae_lens(folder: Path, scale: float | None) -> SaeFile:
    config = read_config("sae_lens", folder)
    check_editable(config, folder)
    file = _Safetensors(folder / "sae_weights.safetensors")
    if SIGN in file:
        check_weights(folder)
        return int8_file(file, config.subtracts_bias, config.hook)
    width = file.shape("b_enc")[0]
    if config.d_sae not in (None, width):
        raise AssetError(
            f"The SAE in {folder} has {width:,} features, but its cfg.json says {config.d_sae:,}. The two belong to "
            "different SAEs; get both again."
        )
    if config.architecture == "standard" and ("threshold" in file or "log_threshold" in file):
        raise AssetError(
            f"The SAE in {folder} has thresholds, but its cfg.json says “standard”, an SAE without them. Write "
            "“jumprelu” there if that is what it is."
        )
    threshold: Callable[[slice], torch.Tensor] | None = None
    if config.architecture == "jumprelu" and "log_threshold" in file:
        threshold = lambda some: file.part("log_threshold", some).exp()  # noqa: E731
    elif config.architecture == "standard":
        threshold = lambda some: torch.zeros(some.stop - some.start)  # noqa: E731
    found = sae_file(folder, file, config.subtracts_bias, hook=config.hook, threshold=threshold)
    return replace(found, dtype="float32") if "log_threshold" in file else found  # an exponential is not exact in half


def _gemma_2(folder: Path, scale: float | None) -> SaeFile:
    return sae_file(folder, _Npz(folder / "params.npz"), False)


def _gemma_3(folder: Path, scale: float | None) -> SaeFile:
    return sae_file(folder, _Safetensors(folder / "params.safetensors"), False, ("w_enc", "w_dec", "b_enc", "b_dec"))


def _llama_scope(folder: Path, scale: float | None) -> SaeFile:
    config = read(LlamaScopeHyperparameters, folder / "hyperparams.json")
    in_file = config.d_model**0.5 / config.dataset_average_activation_norm.at_input
    # One threshold for all, in the units of the inputs as they come; SAELens folds the scale into weights alike.
    level = config.jump_relu_threshold * in_file
    return sae_file(
        folder,
        _Safetensors(folder / "checkpoints" / "final.safetensors"),
        False,
        LINEAR,
        scale=in_file if scale is None else scale,
        hook=config.hook_point_in or "",
        threshold=lambda some: torch.ones(some.stop - some.start) * level,
    )


def _llama_scope_r1_distill(folder: Path, scale: float | None) -> SaeFile:
    if scale is None:
        raise AssetError(
            f"The SAE in {folder} needs scaled inputs, but only SAELens's directory has the scale. Open it by its "
            "names there (SaeRef)."
        )
    config = read(LlamaScopeConfig, folder / "config.json")
    file = _Safetensors(folder / "sae_weights.safetensors")
    found = sae_file(
        folder,
        file,
        False,
        LINEAR,
        scale=scale,
        hook=config.hook_point_in or "",
        threshold=lambda some: file.part("log_jumprelu_threshold", some).exp(),
    )
    return replace(found, dtype="float32")  # an exponential is not exact in half


_OPENERS: Mapping[Layout, Callable[[Path, float | None], SaeFile]] = {
    "sae_lens": _sae_lens,
    "gemma_2": _gemma_2,
    "gemma_3": _gemma_3,
    "llama_scope": _llama_scope,
    "llama_scope_r1_distill": _llama_scope_r1_distill,
    "dictionary_learning_1": lambda folder, scale: torch_suites.dictionary_learning(folder),
    "goodfire": lambda file, scale: torch_suites.goodfire(file),
    "deepseek_r1": lambda file, scale: torch_suites.deepseek_r1(file),
}
