"""Where the paper can be read in more than one way, and which way a run took.

Knows: settings, and the paper's words. Does not know: what came of it. Each reading that has another one is a setting,
stored with the run.
"""

from __future__ import annotations

from typing import NamedTuple

from core.discovery.control_sets import TOLERANCE
from core.discovery.settings import Settings


class Reading(NamedTuple):
    """paper: its words, or that it has none. chosen: what this run did. other: what else they can mean. setting: its
    name, empty where there is no choice here."""

    about: str
    paper: str
    chosen: str
    other: str
    setting: str


def readings(settings: Settings) -> list[Reading]:
    """All of a run's, in the paper's order."""
    return [*_search(settings), *_controls(settings), *_machine(settings)]


def _search(s: Settings) -> list[Reading]:
    blocks = {start: _listed(range(1 - start, 1 - start + s.skip_layers)) for start in (0, 1)}
    one = s.layers_counted_from
    shrinking = {"shrinking": "a rejected block leaves C", "fixed": "C stays the whole pool"}
    k = [str(step) for step in s.k_steps]
    return [
        Reading(
            "layers left out",
            "“Layers 1 and 2 typically encode grammatical features … Thus we exclude these”; elsewhere “Layer index "
            "starts from 0”",
            f"counted from {one}: blocks {blocks[one]}, numbered from 0",
            f"counted from {1 - one}: blocks {blocks[1 - one]}",
            "layers_counted_from",
        ),
        Reading(
            "K of Stage 1",
            "“We start with K = 10 and increase in steps of 10”",
            f"K = {', '.join(k[:3])}{' … ' + k[-1] if len(k) > 3 else ''}"
            + (f"; beside it, K = {_listed(s.k_beside)}" if s.k_beside else ""),
            "smaller K, where SAEs are small",
            "k_steps, k_beside",
        ),
        Reading(
            "C in Δ (Algorithm 1)",
            "C ← C∖V, and Δ is defined with “the full top-K candidate pool”",
            shrinking[s.reading],
            shrinking["fixed" if s.reading == "shrinking" else "shrinking"],
            "reading",
        ),
        Reading(
            "τ",
            "“sweep the threshold from 0.1 to 0.8”; which one the tables use is not said",
            f"τ = {s.tau:g}, fixed beforehand, is the main row; the τ that serves each prompt best is marked as chosen "
            "afterwards"
            if s.control_draws or s.k_beside
            else "the τ that serves each prompt best, chosen afterwards",
            "another τ beforehand",
            "main_threshold",
        ),
    ]


def _controls(s: Settings) -> list[Reading]:
    two = {
        "alone": "kept: prompts that the non-active features flip when they alone are ablated",
        "left out": "kept: prompts that no longer flip when the non-active features are left out",
    }
    return [
        Reading(
            "redundant features, step 2",
            "“ablate just the non-active set and record the impact on jailbreak. If there is no impact, we discard”",
            two[s.step_two],
            two["alone" if s.step_two == "left out" else "left out"],
            "step_two",
        ),
        Reading(
            "random features",
            "“an equal number of randomly selected active features”",
            "one draw as written, matched by layer and count where the prompt allows it"
            + (
                f"; {s.control_draws} draws matched by layer, count and norm removed (within {TOLERANCE:.0%} a layer)"
                if s.control_draws
                else ""
            ),
            "without matching",
            "control_draws",
        ),
        Reading(
            "unaligned features",
            "not in the paper",
            f"cosine to the refusal direction between −{s.unaligned_cosine:g} and {s.unaligned_cosine:g}"
            if s.control_draws
            else "not measured",
            "another bound",
            "unaligned_cosine",
        ),
    ]


def _machine(s: Settings) -> list[Reading]:
    scaling = {
        "training": "each column divided by its largest over the training rows",
        "none": "raw activations",
        "all": "each column divided by its largest over all rows, test rows too (a leak, as in 0.1)",
    }
    near = {"highest": "highest cosine to any Stage 2 feature", "mean": "mean cosine to all Stage 2 features"}
    others = [text for name, text in scaling.items() if name not in (s.scaling, "all")]
    first = s.machine_first_layer
    return [
        Reading(
            "rows of Stage 3",
            "“activations on the last 4 tokens”; how they become one row is not said",
            f"each feature's largest over the last {s.last_tokens} tokens",
            "a row a token, or their mean",
            "",
        ),
        Reading(
            "layers of Stage 3",
            "“on layer 2-steering layer”, though layer 2 is among those left out",
            f"blocks {first} to the direction's, numbered from 0, without those left out",
            "counted from 1",
            "machine_first_layer",
        ),
        Reading("scale of Stage 3's columns", "“record activations”", scaling[s.scaling], "; ".join(others), "scaling"),
        Reading(
            "training of Stage 3",
            "“20 epochs. Best performing epoch on validation set is saved”",
            f"at most {s.epochs} epochs, the best kept"
            + (f"; it ends after {s.patience} without a lower validation loss" if s.patience else ""),
            "all epochs" if s.patience else "early stopping",
            "epochs, patience",
        ),
        Reading(
            "near in Stage 3",
            "“cosine similarity between their … embeddings and those of the Stage 2 features”",
            near[s.nearness],
            near["mean" if s.nearness == "highest" else "highest"],
            "nearness",
        ),
        Reading(
            "ranking of Stage 3",
            "one fit, it seems",
            f"mean rank over {s.machine_seeds} seeds" if s.machine_seeds > 1 else "one seed",
            "one seed" if s.machine_seeds > 1 else "mean rank over several seeds",
            "machine_seeds",
        ),
    ]


def _listed(numbers: range | tuple[int, ...]) -> str:
    """“0 and 1”, “1, 2 and 3”, or “none”."""
    words = [str(number) for number in numbers]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words) or "none"
