"""A chat model of the registry as a judge: `llm:NAME`, by the rubric of `core.judges.rubric`.

Knows: how request, answer and question become a prompt, and how likely the model finds each reply to it, read at the
position where it would reply. Does not know: what is asked, or what a verdict follows from. The model is an engine's
where one has the same weights loaded; otherwise it is loaded without SAEs, in the one place that judges share.
What people and models wrote stays text: special tokens spelt in it are letters, and every line of it is quoted. What
it says can still sway the model that reads it, as it can sway a person.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core.answers.judge import ComputedOn, Judgement, check_pairs, ended_of
from core.answers.rule_judges import computed_on
from core.errors import AssetError, InputError
from core.forward.assembly import load_runtime
from core.forward.branches import unedited_branches
from core.forward.loaded import loaded_runtime
from core.forward.runtime import Runtime
from core.hub.fetch import Wanted, look
from core.judges.classifier import files_digest, too_long
from core.judges.names import LANGUAGE_MODEL
from core.judges.place import ONE_AT_A_TIME, leave, make_room, take
from core.judges.rubric import MOST_TOKENS, QUESTIONS, Numbers, numbers, question_texts, rubric_digest, verdict_of
from core.measures.scores import float64
from core.models.files import MODEL_FILES
from core.models.footprint import Footprint, footprint, judge_footprint
from core.models.registry import find_spec, model_names
from core.models.spec import ModelSpec
from core.progress import NEVER, QUIET, Progress
from core.prompts.conversation import PromptLike
from core.prompts.literal import readable
from core.prompts.template import Prompt, Template, make_prompt, read_template
from core.prompts.thinking import what_is_said

#: Answers whose prompts are made and held at a time.
_CHUNK = 64


class LanguageModelJudge:
    """spec: of the model that judges. device, progress, cancelled: as `core.load` takes them."""

    def __init__(
        self,
        spec: ModelSpec,
        device: str | None = None,
        progress: Progress = QUIET,
        cancelled: Callable[[], bool] = NEVER,
    ) -> None:
        self.name = LANGUAGE_MODEL + spec.name
        self.spec = replace(spec, layers=(), saes={}, direction=None, labels=None, neuronpedia={})
        self.device, self.progress, self.cancelled = device, progress, cancelled
        self._revision: str | None = None
        self._loaded: tuple[Runtime, Template] | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether it holds a model now, its own or an engine's."""
        return self._loaded is not None

    @property
    def revision(self) -> str:
        """Rubric with its thresholds, and model. Raises DownloadError."""
        if self._revision is None:
            self._revision = f"rubric {rubric_digest()} · {_model_revision(self.spec)}"
        return self._revision

    def footprint(self) -> Footprint:
        """Nothing where an engine has the model loaded. Raises DownloadError, AssetError, InputError."""
        if self.is_loaded or loaded_runtime(self.spec, self.device) is not None:
            return Footprint()
        found = footprint(self.spec, self.device)
        return judge_footprint(
            found.weights, self.device, download=found.download, gated=found.gated, needs_token=found.needs_token
        )

    def load(self) -> ComputedOn:
        """Raises AssetError, DownloadError, and Cancelled while the model is downloaded."""
        return computed_on(self._load()[0])

    def judge(
        self, prompts: Sequence[PromptLike], answers: Sequence[str], ended: Sequence[bool | None] | None = None
    ) -> tuple[Judgement, ...]:
        """In batches of one token budget. ended: whether each answer's model stopped by itself, where it is known.

        Raises InputError, AssetError, DownloadError, and Cancelled while the model is downloaded.
        """
        requests = check_pairs(prompts, answers)
        said = [what_is_said(answer).text for answer in answers]
        stopped = ended_of(answers) if ended is None else list(ended)
        if len(stopped) != len(answers):
            raise InputError("Say of each answer whether its model stopped by itself, or leave `ended` out.")
        found: list[Numbers] = []
        with ONE_AT_A_TIME:
            for first in range(0, len(answers), _CHUNK):
                chunk = slice(first, first + _CHUNK)
                found += self.numbers(requests[chunk], said[chunk])
        return tuple(
            Judgement(verdict_of(answer, one, end), raw=str(one), score=one.score)
            for answer, one, end in zip(said, found, stopped, strict=True)
        )

    def numbers(self, prompts: Sequence[str], answers: Sequence[str]) -> list[Numbers]:
        """What the model thinks of each answer; `judge` makes verdicts of them. Raises as `judge`."""
        with ONE_AT_A_TIME:
            runtime, _ = self._load()
            groups = [reply_tokens(runtime.tokenizer, question.replies, self.name) for question in QUESTIONS]
            families = [self.questions(*pair) for pair in zip(prompts, answers, strict=True)]
            logprobs = [[[0.0]] * len(QUESTIONS) for _ in families]
            replied = [1.0] * len(families)
            for chunk, number, logits in unedited_branches(runtime, families):
                every = float64(logits).log_softmax(-1)
                each = torch.stack(
                    [every[:, group].logsumexp(-1) for group in groups[number]], dim=1
                )  # [rows, replies]
                for family, row in zip(chunk, each.tolist(), strict=True):
                    logprobs[family][number] = row
                for family, share in zip(chunk, each.logsumexp(-1).exp().tolist(), strict=True):
                    replied[family] = min(replied[family], share)
        return [numbers(*pair) for pair in zip(logprobs, replied, strict=True)]

    def questions(self, prompt: str, answer: str) -> list[Prompt]:
        """What the model reads: each question about one answer, in the order of `QUESTIONS`. Raises as `judge`, and
        InputError where one is longer than the context."""
        runtime, template = self._load()
        tokenizer, most = runtime.tokenizer, runtime.context_length
        texts = question_texts(cut(tokenizer, prompt), cut(tokenizer, answer))
        found = [make_prompt(tokenizer, template, text, most + sum(map(len, texts))) for text in texts]
        if (longest := max(map(len, found))) > most:
            raise too_long(self.name, prompt, longest, most)
        return found

    def close(self) -> None:
        """Let the model go; its memory is given back unless an engine holds it too."""
        with ONE_AT_A_TIME:
            leave(self)
            if self._loaded is None:
                return
            self._loaded = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _load(self) -> tuple[Runtime, Template]:
        with ONE_AT_A_TIME:
            if self._loaded is None:
                runtime = loaded_runtime(self.spec, self.device)
                if own := runtime is None:
                    make_room()
                    runtime, _ = load_runtime(self.spec, self.device, None, self.progress, self.cancelled)
                if not getattr(runtime.tokenizer, "chat_template", None):
                    raise AssetError(
                        f"“{self.spec.name}” has no chat template, so it cannot judge. Choose a chat model."
                    )
                # The spec's own template: an engine may have been loaded with another system prompt.
                self._loaded = runtime, read_template(runtime.tokenizer, self.spec.system)
                if own:
                    take(self)
            return self._loaded


def cut(tokenizer: Any, text: str) -> str:
    """The first `MOST_TOKENS` tokens of a text, as text."""
    whole = readable(text)
    ends = [end for _, end in tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]]
    return whole if len(ends) <= MOST_TOKENS else whole[: ends[MOST_TOKENS - 1]]


def reply_tokens(tokenizer: Any, replies: Sequence[str], name: str) -> list[list[int]]:
    """Of each reply, the tokens that begin it, in any case and with or without a space before it.

    A token that begins two replies tells nothing and is left out. Raises AssetError where a reply has none left.
    """
    found = [
        {
            int(tokenizer(space + word, add_special_tokens=False)["input_ids"][0])
            for space in ("", " ")
            for word in (reply.lower(), reply.capitalize(), reply.upper())
        }
        for reply in replies
    ]
    own = [sorted(one - set().union(*found[:at], *found[at + 1 :])) for at, one in enumerate(found)]
    if not all(own):
        raise AssetError(
            f"The tokenizer of “{name}” begins {' and '.join(replies)} with the same token, so this model's replies "
            "cannot be told apart. Choose another model as the judge."
        )
    return own


def language_model_judge(
    name: str,
    folder: Path | None = None,
    device: str | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> LanguageModelJudge:
    """The judge called `llm:NAME`, nothing loaded. Raises InputError for a folder, UnknownModelError for the name."""
    if folder is not None:
        raise InputError(
            f"“{name:.60}” takes its model from the list of models. Add the folder there, and leave it out."
        )
    return LanguageModelJudge(find_spec(name.removeprefix(LANGUAGE_MODEL)), device, progress, cancelled)


def language_model_judges() -> tuple[str, ...]:
    """The names of all such judges: one a model, whatever suites of SAEs it is known with."""
    return tuple(LANGUAGE_MODEL + name for name in model_names() if "/" not in name)


def _model_revision(spec: ModelSpec) -> str:
    """Of a local folder and of an adapter, a digest of what the files hold; else the revision, or the hub's commit."""
    if (folder := Path(spec.model_id)).is_dir():
        files = sorted({path for pattern in MODEL_FILES for path in folder.glob(pattern) if path.is_file()})
        found = files_digest(files)
    else:
        found = spec.revision or look(Wanted(spec.model_id, MODEL_FILES)).commit
    if spec.adapter is not None:
        found += f", adapter in {files_digest(sorted(p for p in spec.adapter.iterdir() if p.is_file()))}"
    return found
