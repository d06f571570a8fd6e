"""The public prompt sets Hydrascope knows by name: data only.

Knows: hub names, files, columns, licences, citations. Does not know how to fetch or read them
(`core.prompts.public_sets`). Nothing of them is part of this repository; each stays under its own licence, quoted as
its page on the hub states it. Looked up in stored copies of the hub's pages on 2026-11-21; none could be downloaded
where this was written. Whether a set is gated changes over time, and the hub itself says so when asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PartKind = Literal["harmful", "benign", "look-alike", "prose"]


@dataclass(frozen=True)
class Part:
    """The prompts of one kind.

    files: names or patterns in the repository. where: (column, value) of the rows that count, without regard to case;
    None for all of them.
    """

    kind: PartKind
    files: tuple[str, ...]
    column: str
    where: tuple[str, str] | None = None


@dataclass(frozen=True)
class PublicSet:
    """One public set. name: how people call it here. note: what is in it, a sentence. revision: the commit that is
    fetched, so that everybody's texts are the same; None for whatever its main branch is."""

    name: str
    title: str
    repo: str
    parts: tuple[Part, ...]
    licence: str
    citation: str
    note: str
    revision: str | None = None

    @property
    def kinds(self) -> tuple[PartKind, ...]:
        return tuple(part.kind for part in self.parts)


_SAFETY = ("category", "Requests with safety concerns")

SOURCES: tuple[PublicSet, ...] = (
    PublicSet(
        "advbench",
        "AdvBench",
        "walledai/AdvBench",
        (Part("harmful", ("data/*.parquet",), "prompt"),),
        "MIT",
        "Zou et al. 2023, Universal and Transferable Adversarial Attacks on Aligned Language Models, arXiv:2307.15043",
        "520 harmful behaviours. Many are nearly the same. Gated on the hub.",
    ),
    PublicSet(
        "harmbench",
        "HarmBench",
        "walledai/HarmBench",
        (Part("harmful", ("standard/*.parquet",), "prompt"),),
        "MIT",
        "Mazeika et al. 2024, HarmBench: A Standardized Evaluation Framework for Automated Red Teaming and Robust "
        "Refusal, arXiv:2402.04249",
        "The 200 standard behaviours. Contextual and copyright behaviours are left out, because they need more than "
        "a prompt. Gated on the hub.",
    ),
    PublicSet(
        "jailbreakbench",
        "JailbreakBench",
        "JailbreakBench/JBB-Behaviors",
        (
            Part("harmful", ("data/harmful-behaviors.csv",), "Goal"),
            Part("benign", ("data/benign-behaviors.csv",), "Goal"),
        ),
        "MIT",
        "Chao et al. 2024, JailbreakBench: An Open Robustness Benchmark for Jailbreaking Large Language Models, "
        "arXiv:2404.01318",
        "100 harmful behaviours, some from AdvBench and HarmBench, and 100 benign behaviours on the same themes.",
    ),
    PublicSet(
        "strongreject",
        "StrongREJECT",
        "walledai/StrongREJECT",
        (Part("harmful", ("data/*.parquet",), "prompt"),),
        "MIT",
        "Souly et al. 2024, A StrongREJECT for Empty Jailbreaks, arXiv:2402.10260",
        "313 forbidden prompts in six categories.",
    ),
    PublicSet(
        "maliciousinstruct",
        "MaliciousInstruct",
        "walledai/MaliciousInstruct",
        (Part("harmful", ("data/*.parquet",), "prompt"),),
        "CC BY-SA 4.0",
        "Huang et al. 2023, Catastrophic Jailbreak of Open-source LLMs via Exploiting Generation, arXiv:2310.06987",
        "100 questions with ten malicious intents.",
    ),
    PublicSet(
        "xstest",
        "XSTest",
        "Paul/XSTest",
        (
            Part("look-alike", ("xstest_prompts.csv",), "prompt", ("label", "safe")),
            Part("harmful", ("xstest_prompts.csv",), "prompt", ("label", "unsafe")),
        ),
        "CC BY 4.0",
        "Röttger et al. 2024, XSTest: A Test Suite for Identifying Exaggerated Safety Behaviours in Large Language "
        "Models, arXiv:2308.01263",
        "250 safe prompts that look unsafe, and 200 unsafe prompts for contrast.",
    ),
    PublicSet(
        "coconot",
        "CoCoNot",
        "allenai/coconot",
        (
            Part("harmful", ("original/*.parquet",), "prompt", _SAFETY),
            Part("look-alike", ("contrast/*.parquet",), "prompt", _SAFETY),
        ),
        "see LICENSE.md in its repository on the hub (its page names no licence)",
        "Brahman et al. 2024, The Art of Saying No: Contextual Noncompliance in Language Models, arXiv:2407.12043",
        "Requests with safety concerns, the category the paper uses, and requests like them that should be answered.",
    ),
    PublicSet(
        "alpaca",
        "Alpaca",
        "tatsu-lab/alpaca",
        (Part("benign", ("data/*.parquet",), "instruction", ("input", "")),),
        "CC BY-NC 4.0",
        "Taori et al. 2023, Stanford Alpaca: An Instruction-following LLaMA Model",
        "Instructions that need no further input, as in Arditi et al. 2024. Not for commercial use.",
        "dce01c9b08f87459cf36a430d809084718273017",
    ),
    PublicSet(
        "pile-10k",
        "Pile",
        "NeelNanda/pile-10k",
        (Part("prose", ("data/*.parquet",), "text"),),
        "bigscience-bloom-rail-1.0, as its page says; the texts keep their own terms",
        "Gao et al. 2020, The Pile: An 800GB Dataset of Diverse Text for Language Modeling, arXiv:2101.00027",
        "The first 10,000 texts of the Pile: prose, code, mathematics and mail. For measuring what an edit costs.",
        "127bfedcd5047750df5ccf3a12979a47bfa0bafa",
    ),
)
