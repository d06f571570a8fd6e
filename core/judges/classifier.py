"""A judge that is a language model: loaded at first use, batched, greedy, and unloaded again.

Knows: transformers, left padding, the one place on the device that judges share, and whose turn it is there. Does not
know: any classifier's prompt or answers (`harmbench.py`, `llama_guard.py`). Only safetensors weights are read, and no
code from a model's folder is ever run. A batch judges as one answer at a time does, up to the last digits of the
model's number format.
"""

from __future__ import annotations

import gc
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from core import devices
from core.answers.judge import ComputedOn, Judgement, check_pairs
from core.errors import AssetError, InputError
from core.forward.device_lock import DEVICE_LOCK
from core.forward.token_budget import tokens_per_forward
from core.hub.fetch import Listing, Wanted, fetch, look
from core.judges.place import ONE_AT_A_TIME, leave, loaded_judge, make_room, take
from core.models.footprint import Footprint, judge_footprint
from core.progress import NEVER, QUIET, Progress, part
from core.prompts.conversation import PromptLike
from core.prompts.thinking import what_is_said
from core.text.reasons import reason_of

#: The weights in the one form that is read; a repository's others (`original/`, pickles) are left there.
WEIGHTS = "model*.safetensors"
#: What a model is loaded from. Patterns where a repository may do without the file.
JUDGE_FILES = (
    "config.json",
    "generation_config*.json",
    WEIGHTS,
    "model.safetensors.index*.json",
    "tokenizer*",
    "special_tokens_map*.json",
    "added_tokens*.json",
    "chat_template*",
)


def loaded_classifier() -> Classifier | None:
    """The one whose model is in memory now; None also where it is another kind of judge's."""
    loaded = loaded_judge()
    return loaded if isinstance(loaded, Classifier) else None


class Classifier(ABC):
    """What all classifiers share. name: as stored and as asked for; repo: on the hub.

    folder: a local copy to use instead of the hub's. device: as `core.load` takes it. progress(message, share of the
    work done) reports download and loading; cancelled is checked while files are downloaded.
    """

    max_new_tokens: ClassVar[int]

    def __init__(
        self,
        name: str,
        repo: str,
        folder: Path | None = None,
        device: str | None = None,
        progress: Progress = QUIET,
        cancelled: Callable[[], bool] = NEVER,
    ) -> None:
        self.name, self.repo = name, repo
        self.folder, self.device = folder, device
        self.progress, self.cancelled = progress, cancelled
        self._listing: Listing | None = None
        self._revision: str | None = None
        #: Of transformers; None as long as nothing is loaded.
        self.model: Any = None
        self.tokenizer: Any = None

    @abstractmethod
    def tokens(self, tokenizer: Any, prompt: str, answer: str, room: int) -> list[int]:
        """What the model reads, `room` tokens at most. Raises InputError where that cannot be."""

    @abstractmethod
    def read(self, tokenizer: Any, output: Sequence[int], logits: Sequence[torch.Tensor]) -> Judgement:
        """The judgement in what the model wrote. output: token ids; logits: float32 [vocabulary], one each."""

    @property
    def is_loaded(self) -> bool:
        """Whether its model is held in memory now."""
        return self.model is not None

    @property
    def revision(self) -> str:
        """The hub's commit; of a local folder, a digest of what its files hold. Raises DownloadError, AssetError."""
        if self._revision is None:
            self._revision = self._look().commit if self.folder is None else files_digest(self._files(self.folder))
        return self._revision

    def footprint(self) -> Footprint:
        """By the sizes of the files, on the hub or in the folder. Raises DownloadError, AssetError, InputError."""
        if self.folder is not None:
            files = self._files(self.folder)
            return judge_footprint(sum(path.stat().st_size for path in files if path.match(WEIGHTS)), self.device)
        listing = self._look()
        weights = [file for file in listing.files if Path(file.name).match(WEIGHTS)]
        if not weights:
            raise AssetError(
                f"{self.repo} has no safetensors weights, the only format that can be read. Choose another judge."
            )
        return judge_footprint(
            sum(file.bytes for file in weights),
            self.device,
            download=listing.missing_bytes,
            gated=bool(listing.gated),
            needs_token=listing.needs_token,
        )

    def judge(
        self, prompts: Sequence[PromptLike], answers: Sequence[str], ended: Sequence[bool | None] | None = None
    ) -> tuple[Judgement, ...]:
        """In batches of one token budget, longest texts first.

        Raises InputError, AssetError, DownloadError, and Cancelled while its model is downloaded.
        """
        texts = check_pairs(prompts, answers)
        if not texts:
            return ()
        said = [what_is_said(answer).text for answer in answers]
        with ONE_AT_A_TIME:
            self.load()
            room = self.model.config.max_position_embeddings - self.max_new_tokens
            rows = [self.tokens(self.tokenizer, p, a, room) for p, a in zip(texts, said, strict=True)]
            found: dict[int, Judgement] = {}
            todo = sorted(range(len(rows)), key=lambda place: len(rows[place]))
            while todo:
                size = max(1, tokens_per_forward() // (len(rows[todo[-1]]) + self.max_new_tokens))
                part, todo = todo[-size:], todo[:-size]
                output = self.generate([rows[place] for place in part])
                for place, (ids, logits) in zip(part, output, strict=True):
                    found[place] = self.read(self.tokenizer, ids, logits)
        return tuple(found[place] for place in range(len(rows)))

    def close(self) -> None:
        """Let the model go and give its memory back."""
        with ONE_AT_A_TIME:
            leave(self)
            if self.model is None:
                return
            self.model = self.tokenizer = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _look(self) -> Listing:
        if self._listing is None:
            self._listing = look(Wanted(self.repo, JUDGE_FILES))
        return self._listing

    def _files(self, folder: Path) -> list[Path]:
        found = sorted(path for pattern in JUDGE_FILES for path in folder.glob(pattern) if path.is_file())
        if not any(path.match(WEIGHTS) for path in found):
            raise AssetError(f"{folder} has no {WEIGHTS}. Give the folder with a judge's model and its tokenizer.")
        return found

    def load(self) -> ComputedOn:
        """Take the one place, from whichever judge has it. Raises AssetError, DownloadError and Cancelled."""
        with ONE_AT_A_TIME:
            if self.model is None:
                self._take_place()
            return ComputedOn(str(self.model.dtype).removeprefix("torch."), self.model.device.type)

    def _take_place(self) -> None:
        make_room()
        placement = devices.placement_for(0, self.device)
        folder = self.folder
        if folder is None:
            wanted = Wanted(self.repo, JUDGE_FILES)
            folder = fetch(wanted, part(self.progress, 0.0, 0.9), self.cancelled)
            # A snapshot is called by its commit, and the branch may have moved meanwhile.
            self._revision = folder.name
        self.progress(f"Loading the judge {self.name}", 0.9)
        try:
            self.tokenizer, self.model = _read(folder, placement.device)
        except Exception as error:  # each of half a dozen libraries has its own types for a file it cannot read
            self.tokenizer = self.model = None
            reason = reason_of(error)
            raise AssetError(
                f"The judge “{self.name}” cannot be loaded from {folder} ({reason:.300}). Check its files and "
                "the free memory."
            ) from error
        take(self)
        self.progress(f"The judge {self.name} is ready", 1.0)

    @torch.inference_mode()
    def generate(self, rows: Sequence[Sequence[int]]) -> list[tuple[list[int], list[torch.Tensor]]]:
        """Greedy tokens of each row up to its stop, and the logits they were chosen from."""
        device, width = self.model.device, max(map(len, rows))
        ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        out = self.model.generate(ids, attention_mask=mask, max_new_tokens=self.max_new_tokens)
        steps = torch.stack(out.logits, dim=1)  # [rows, steps, vocabulary]
        stops = set(self.model.generation_config.eos_token_id or ())
        found = []
        for number, written in enumerate(out.sequences[:, width:].tolist()):
            length = next((at for at, token in enumerate(written) if token in stops), len(written))
            found.append((written[:length], list(steps[number, :length].float())))
        return found


def _read(folder: Path, device: torch.device) -> tuple[Any, Any]:
    """Tokenizer and model from a local folder, in the number format they are stored in."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype="auto"
    )
    stops = model.generation_config.eos_token_id
    # Settings of our own, because a repository's may sample (Llama Guard 3's do, at temperature 0.6).
    model.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=stops if isinstance(stops, list) else [] if stops is None else [stops],
        pad_token_id=0,  # masked out, whatever it is
        return_dict_in_generate=True,
        output_logits=True,
    )
    # One forward pass is one turn on the device: whoever waits at a page waits for one pass and not for a batch.
    model.register_forward_pre_hook(_take_turn)
    model.register_forward_hook(_end_turn, always_call=True)
    return tokenizer, model.to(device).eval().requires_grad_(False)


def _take_turn(*_: object) -> None:
    DEVICE_LOCK.acquire()


def _end_turn(*_: object) -> None:
    DEVICE_LOCK.release()


def files_digest(files: Sequence[Path]) -> str:
    """16 hex digits over names and contents."""
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return f"folder {total.hexdigest()[:16]}"


def too_long(name: str, prompt: str, length: int, room: int) -> InputError:
    """What a classifier says of a text that it was never published to judge cut short."""
    return InputError(
        f"The request “{prompt:.40}” and its answer have {length} tokens, but {name} reads at most {room}. Shorten "
        "the answer."
    )
