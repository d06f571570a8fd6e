"""Published SAE files in torch's own format, by suite, in SAELens's normal form.

Knows: the key names of dictionary_learning's, Goodfire's and qresearch's files, and what SAELens's loaders do to them
(sae_lens/loading/pretrained_sae_loaders.py). Does not know: the file format, nor runs any of it
(`core.saes.formats.torch_zip`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch

from core.errors import AssetError
from core.saes.formats.normal_form import LINEAR, SaeFile, sae_file
from core.saes.formats.torch_zip import TorchFile
from core.schemas.saes import DictionaryLearningConfig
from core.shaped import read

#: dictionary_learning's classes whose features fire by themselves: whether a threshold is asked for, and whether the
#: decoder bias is subtracted from the input. A BatchTopK's k binds in training only; its threshold is what remains.
_CLASSES = {
    "AutoEncoder": (False, True),
    "BatchTopKSAE": (True, True),
    "MatryoshkaBatchTopKSAE": (True, True),
    "JumpReluAutoEncoder": (True, False),
}


def dictionary_learning(folder: Path) -> SaeFile:
    """config.json and ae.pt, as the library dictionary_learning writes them. Raises as `sae_file`."""
    trainer = read(DictionaryLearningConfig, folder / "config.json").trainer
    kind = trainer.dict_class
    check_class(kind, folder)
    jumps, subtracts_bias = _CLASSES[kind]
    file = TorchFile(folder / "ae.pt")
    if jumps and "threshold" not in file:
        raise AssetError(
            f"The SAE in {folder} is a “{kind}” without a threshold, so whether a feature fires depends on the "
            "other features. Train it until it has a threshold."
        )
    names = (
        "W_enc" if "W_enc" in file else "encoder.weight",
        "W_dec" if "W_dec" in file else "decoder.weight",
        "b_enc" if "b_enc" in file else "encoder.bias",
        next((name for name in ("b_dec", "bias", "decoder_bias") if name in file), "b_dec"),
    )
    return sae_file(
        folder,
        file,
        subtracts_bias,
        names,
        hook=f"blocks.{trainer.layer}.hook_resid_post",
        threshold=_threshold(file) if jumps else _zero,
    )


def check_class(kind: str, folder: Path | str) -> None:
    """Raises AssetError for a class of dictionary_learning's whose features do not fire by themselves."""
    if kind not in _CLASSES:
        raise AssetError(
            f"The SAE in {folder} is a “{kind:.60}”. Only elementwise SAEs ({', '.join(_CLASSES)}) can be edited by "
            "column, and an SAE that keeps the k largest features of a token is not elementwise."
        )


def goodfire(path: Path) -> SaeFile:
    """One file of two Linears, ReLU, no bias subtracted. Raises as `sae_file`."""
    names = ("encoder_linear.weight", "decoder_linear.weight", "encoder_linear.bias", "decoder_linear.bias")
    return sae_file(path, TorchFile(path), False, names, hook=_hook(path), threshold=_zero)


def deepseek_r1(path: Path) -> SaeFile:
    """qresearch's, alike but for the names. Raises as `sae_file`."""
    return sae_file(path, TorchFile(path), False, LINEAR, hook=_hook(path), threshold=_zero)


def _threshold(file: TorchFile) -> Callable[[slice], torch.Tensor] | None:
    """One number for all features, as a BatchTopK has; None where the array is a number a feature."""
    if file.shape("threshold"):
        return None
    level = file.part("threshold")
    return lambda some: level.repeat(some.stop - some.start)


def _zero(some: slice) -> torch.Tensor:
    return torch.zeros(some.stop - some.start)


def _hook(path: Path) -> str:
    """The layer is in such a file's name alone: …-SAE-l19.pth."""
    found = re.search(r"-l(\d+)\.\w+$", path.name)
    return f"blocks.{found[1]}.hook_resid_post" if found else ""
