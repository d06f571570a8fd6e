"""The engine: one loaded model, its SAEs and its refusal direction, behind a few plain calls.

Knows: which part does what. Does not know: pages, stores. Nothing is remembered between calls but the direction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.answers import generate
from core.answers.answer import Answer
from core.answers.judge import ended_of
from core.answers.rule_judges import RuleJudge, judged, rules_judge
from core.answers.verdicts import Judged
from core.arguments import check_length, listed
from core.devices import Device
from core.edits.direction import Direction, save_direction
from core.edits.edits import Edits, Feature
from core.edits.validation import edit_sets
from core.errors import InputError
from core.forward.assembly import load_runtime
from core.forward.runtime import Runtime
from core.measures import cross_entropy, direction_search, features, recovery, scores
from core.measures.direction_sources import computed_file, split_sides, stored_direction
from core.measures.reader import Reader
from core.measures.recovery import Gap
from core.measures.scores import Measurement, Unedited
from core.models.registry import find_spec
from core.models.spec import ModelSpec
from core.progress import NEVER, QUIET, Progress
from core.prompts.conversation import Conversation, PromptLike
from core.prompts.references import Reference
from core.prompts.template import Prompt, make_plain, make_prompt


def load(
    model: str | ModelSpec,
    device: Device | None = None,
    dtype: str | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Engine:
    """Load a model by registry name, or a spec of your own, downloading what is not here. progress(message, share).

    device: “cpu”, “cuda:1” …; “auto” spreads a model that is too large for one device over all GPUs, main memory and
    disk; a map says by hand which part lies where, as transformers' device_map. None: the best device, spread only
    where there are several GPUs. Tried on main memory and disk; on several GPUs it could not be tried.
    cancelled: asked while files are downloaded and packed; what is done is kept then.
    Raises UnknownModelError, DownloadError, AssetError, Cancelled, InputError.
    """
    spec = model if isinstance(model, ModelSpec) else find_spec(model)
    runtime, reason = load_runtime(spec, device, dtype, progress, cancelled)
    return Engine(runtime, reason)


class Engine:
    """Made by `load`. Safe to share between threads: edits are per call, and the device has one lock."""

    def __init__(self, runtime: Runtime, reason: str) -> None:
        self.runtime = runtime
        #: Why this device and dtype, one sentence to show.
        self.placement = f"{self.device}, {self.dtype}: {reason}"
        self._direction: Direction | None = None

    @property
    def spec(self) -> ModelSpec:
        return self.runtime.spec

    @property
    def model(self) -> Any:
        """The plain transformers model; unedited when called outside measure and generate."""
        return self.runtime.model

    @property
    def n_layers(self) -> int:
        return self.runtime.n_layers

    @property
    def widths(self) -> dict[int, int]:
        """layer → number of features of its SAE."""
        return {layer: d.d_sae for layer, d in sorted(self.runtime.dictionaries.items())}

    @property
    def d_model(self) -> int:
        """Numbers of a hidden state."""
        return self.runtime.d_model

    @property
    def dtype(self) -> str:
        """Number format of the weights, such as “bfloat16”."""
        return str(self.runtime.dtype).removeprefix("torch.")

    @property
    def device(self) -> str:
        """Kind of the device where token ids go in, such as “cuda”."""
        return self.runtime.device.type

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, as transformers loads it."""
        return self.runtime.tokenizer

    @property
    def context_length(self) -> int:
        """The most tokens of a prompt and its answer."""
        return self.runtime.context_length

    @property
    def sae_bytes(self) -> int:
        """Bytes of SAEs that are held on the device now."""
        return self.runtime.residency.held

    def release_saes(self) -> None:
        """Give that memory back; what is needed again is read again."""
        self.runtime.residency.clear()

    def prompt(self, text: PromptLike) -> Prompt:
        """Tokenise a request or a Conversation: .ids .pieces .spans, template applied, BOS once. Raises InputError."""
        return make_prompt(self.runtime.tokenizer, self.runtime.template, text, self.runtime.context_length)

    def with_thinking(self, on: bool) -> Engine:
        """The same model, let think before it answers or not; `runtime.template.thinking` is None where it cannot."""
        other = Engine(self.runtime.with_thinking(on), self.placement.partition(": ")[2])
        other._direction = self._direction
        return other

    @property
    def refusal_pieces(self) -> tuple[str, ...]:
        """The refusal tokens as text, for saying what P("I") is the probability of."""
        return tuple(self.runtime.tokenizer.decode([i]) for i in self.spec.refusal_tokens)

    def check(self, edits: Edits) -> None:
        """Raises InputError when this model cannot apply `edits`: no SAE at the layer, an index outside it."""
        self.runtime.check(edit_sets(edits))

    def measure(
        self,
        prompts: PromptLike | Sequence[PromptLike],
        edits: Edits | Sequence[Edits] = (Edits(),),
        watch: Sequence[Feature] = (),
        *,
        kl: bool = False,
        every_token: bool = False,
    ) -> Measurement:
        """Every edit set on every prompt in as few forward passes as fit. Shapes: see Measurement.

        kl: also the KL divergence from the unedited model at the last position. every_token: cosines at all tokens.
        Raises InputError on a bad prompt, an unknown layer or an index outside its SAE.
        """
        made, sets = self._prompts(prompts), edit_sets(edits)
        watched = [Edits.ablate([feature]).features[0] for feature in listed(watch, "Features to watch")]
        reference = scores.reference_logprobs(self.runtime, made) if kl else None
        return scores.measure(
            self.runtime, made, sets, watched, self._known_direction(), reference=reference, every_token=every_token
        )

    def generate(self, prompt: PromptLike, edits: Edits = Edits(), max_new_tokens: int = 32) -> generate.Pieces:
        """Pieces of the greedy answer as they come; edits act on prompt and generated tokens alike.
        Bad input raises InputError here, before the first piece."""
        made, (checked,) = self.prompt(prompt), edit_sets([edits])
        check_length(max_new_tokens)
        self.runtime.check([checked])
        return generate.stream(self.runtime, made, checked, max_new_tokens)

    def answers(
        self, prompts: Sequence[PromptLike], edits: Sequence[Edits], max_new_tokens: int = 32
    ) -> list[list[Answer]]:
        """Greedy answers [prompt][edit set], batched; each also says whether the model ended it (`.ended`)."""
        check_length(max_new_tokens)
        return generate.answers(self.runtime, self._prompts(prompts), edit_sets(edits), max_new_tokens)

    def stream_many(
        self, prompts: Sequence[PromptLike], edits: Sequence[Edits], max_new_tokens: int = 32
    ) -> Iterator[tuple[int, int, Answer]]:
        """`answers` as they come: (prompt number, edit set number, text so far), the last of each being its answer.
        Bad input raises InputError here, before the first piece."""
        made, sets = self._prompts(prompts), edit_sets(edits)
        check_length(max_new_tokens)
        self.runtime.check(sets)
        return generate.streams(self.runtime, made, sets, max_new_tokens)

    def verdict(self, prompt: PromptLike, answer: str) -> Judged:
        """What an answer to a prompt is: “refused”, “complied”, “off-topic”, “degenerate” or “undetermined”, with
        .reason, .looping, .delayed, .nll, .gain and .repetition, measured with the unedited model. This engine's
        answers know whether they were cut off; of other text the last punctuation mark decides. Raises InputError."""
        return judged(self.judge.decisions([prompt], [answer], ended_of([answer]))[0])

    @property
    def judge(self) -> RuleJudge:
        """What every search judges by unless another judge is given: `verdict` for many answers at once."""
        return rules_judge(self.runtime)

    def features(self, prompt: PromptLike, edits: Edits = Edits()) -> pd.DataFrame:
        """Active features of every SAE layer: layer, index, position, token, activation, cosine."""
        made, (checked,) = self.prompt(prompt), edit_sets([edits])
        return features.active_features(self.runtime, made, checked, self._known_direction())

    def activity(
        self, prompts: Sequence[PromptLike], layers: Collection[int] | None = None, last: int | None = None
    ) -> pd.DataFrame:
        """Active features of many prompts, unedited: prompt (its number), layer, index, position, activation, cosine.

        Each SAE is read once for all prompts. layers: only these; last: only the last so many positions of each prompt.
        Raises InputError for a layer without an SAE.
        """
        return features.activity(self.runtime, self._prompts(prompts), Edits(), self._known_direction(), layers, last)

    def cross_entropy(self, texts: Sequence[str], edits: Edits = Edits(), chat: bool = True) -> np.ndarray:
        """float64 [texts]: mean cross-entropy of each text's own tokens under `edits`, nats a token. chat: the text
        stands in the chat template as a request, and its tokens alone count; otherwise it is plain text."""
        plain = [] if chat else [make_plain(self.tokenizer, t, self.context_length) for t in listed(texts, "Texts")]
        return cross_entropy.cross_entropy(self.runtime, self._prompts(texts) if chat else plain, edit_sets(edits)[0])

    def recovery(self, references: Sequence[Reference], edits: Sequence[Edits]) -> list[list[Gap]]:
        """[reference][edit set]: how well each reference answer is predicted after its prompt, unedited and edited."""
        given = listed(references, "Reference answers")
        return recovery.measure(self.runtime, self._prompts([r.prompt for r in given]), given, edit_sets(edits))

    def alignment(self) -> pd.DataFrame:
        """Every SAE feature with the cosine of its decoder row to the direction: layer, index, cosine."""
        return features.alignment(self.runtime, self.direction())

    @property
    def reader(self) -> Reader:
        """Tensors of the residual stream and of the SAEs, block by block, for `core.hydra` and `core.labels`."""
        return Reader(self.runtime, self._known_direction())

    def reconstruction(self, prompt: PromptLike) -> pd.DataFrame:
        """SAE reconstruction error: layer, position, token, norm, error, active."""
        return features.reconstruction(self.runtime, self._prompts([prompt])[0])

    def kl(
        self, prompts: Sequence[PromptLike], edits: Sequence[Edits], reference: Unedited | None = None
    ) -> np.ndarray:
        """float64 [prompts, edits]: KL at the last position from the unedited model, in nats.

        reference: what `reference` gave for the same prompts, or InputError: saves running the unedited model again.
        """
        return scores.divergence(self.runtime, self._prompts(prompts), edit_sets(edits), reference)

    def reference(self, prompts: Sequence[PromptLike]) -> Unedited:
        """The unedited model on these prompts, for `kl`: .logprobs, float32 [prompts, vocabulary] on the CPU."""
        return scores.unedited(self.runtime, self._prompts(prompts))

    @property
    def has_direction(self) -> bool:
        """Whether `direction()` would answer."""
        return self._known_direction() is not None

    def direction(self) -> Direction:
        """The model's refusal direction: shipped with it, or as last computed here. Raises InputError when neither."""
        known = self._known_direction()
        if known is None:
            raise InputError(f"“{self.spec.name}” has no refusal direction. Use engine.compute_direction() first.")
        return known

    def compute_direction(
        self,
        harmful: Sequence[str] | None = None,
        harmless: Sequence[str] | None = None,
        *,
        rule: str | None = None,
        validation: float = 0.2,
        max_new_tokens: int = 24,
        progress: Progress = QUIET,
        keep: bool = True,
    ) -> Direction:
        """Compute it again: difference of means at the last position, layer by `rule` (“paper”, “arditi”, “balanced”).

        “published”: the layer the paper reports. None: that one where there is one (`steering_layer`), else “paper”.
        Without prompts the bundled train and val splits are used (128 and 32 a side at most); with prompts, the last
        `validation` share of each list is held out. keep: remember it for this model, here and on disk.
        """
        check_length(max_new_tokens)
        sides = split_sides(self.spec, harmful, harmless, validation)
        first, second = ([self._prompts(texts) if texts else [] for texts in side] for side in sides)
        found = direction_search.search(self.runtime, first, second, rule, max_new_tokens, progress)
        if keep:
            save_direction(found, computed_file(self.spec.name))
            self.use_direction(found)
        return found

    def use_direction(self, direction: Direction) -> None:
        """Answer `direction()` with this one from now on; nothing is written to disk."""
        self._direction = direction

    def _known_direction(self) -> Direction | None:
        if self._direction is None:
            self._direction = stored_direction(self.spec, self.runtime.d_model, self.runtime.digests.weights)
        return self._direction

    def _prompts(self, texts: PromptLike | Sequence[PromptLike]) -> list[Prompt]:
        several = listed([texts] if isinstance(texts, str | Conversation) else texts, "Prompts")
        if not several:
            raise InputError("No prompt was given. Give at least one.")
        return [self.prompt(text) for text in several]
