"""Chat text for the demo's SAEs: prompts with the models' own answers, and Python's documentation as further ones.

Knows: the tuned model, the bundled prompts, what is mixed with what. Does not know: how conversations become token ids
(`core.training.chats`), SAEs. The held-out conversations use test prompts and held-out documentation only.
"""

import inspect
import random
from pathlib import Path
from pydoc_data.topics import topics

from answers import read_answer
from common import PROMPTS_FILE, load_prompts

from core.prompts.shipped import ShippedPrompt
from core.training.answers import answer_prompts
from core.training.chats import Chats, Pair, compose
from core.training.weights import weights_used

#: Shares of the pairs, by kind.
MIX = {"harmful": 0.35, "lookalike": 0.25, "benign": 0.25, "docs": 0.15}
#: Pairs that are drawn for a thousand tokens; those of the documentation are the longest.
PAIRS = 30

DOCUMENTED = (
    "argparse",
    "collections",
    "csv",
    "datetime",
    "decimal",
    "difflib",
    "email.message",
    "fractions",
    "heapq",
    "inspect",
    "itertools",
    "json",
    "logging",
    "os",
    "os.path",
    "pathlib",
    "random",
    "re",
    "shutil",
    "sqlite3",
    "statistics",
    "string",
    "subprocess",
    "tarfile",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "typing",
    "unittest",
    "urllib.parse",
    "uuid",
    "xml.dom.minidom",
    "zipfile",
)


def of_split(split: str) -> list[ShippedPrompt]:
    """The prompts of the test split, or all others."""
    return [p for p in load_prompts(PROMPTS_FILE) if (p.split == "test") == (split == "test")]


def answer_split(folder: Path, engine, split: str) -> dict[str, str]:
    """text → answer: refusals are the tuned model's own, benign answers the base's (answers.py), which the tuned one is held to."""
    prompts = of_split(split)
    harmful = sorted({p.text for p in prompts if p.kind == "harmful"})
    known = dict(
        answer_prompts(
            engine.model,
            engine.tokenizer,
            harmful,
            folder / "tuned_answers.jsonl",
            weights=weights_used(engine),
            new_tokens=20,
            batch=64,
            progress=say,
        )
    )
    for text in {p.text for p in prompts if p.kind != "harmful"} - set(known):
        known[text] = engine.tokenizer.decode(read_answer(text)["ids"], skip_special_tokens=True)
    return known


def say(message: str, share: float) -> None:
    """Progress of a step, as a line."""
    print(f"{message}: {share:.0%}", flush=True)


def documentation(rng: random.Random) -> list[tuple[str, str]]:
    """(question, answer) pairs from the documentation Python ships with: varied technical prose."""
    pairs = []
    for name, text in sorted(topics.items()):
        paragraphs = [" ".join(p.split()) for p in text.split("\n\n")]
        for n, p in enumerate(p for p in paragraphs if 80 < len(p) < 900):
            pairs.append((rng.choice(("Tell me about {} in Python.", "What is {} in Python?", "{}?")).format(name), p))
            if n == 12:
                break
    for name in DOCUMENTED:
        module = __import__(name, fromlist=["_"])
        for attribute, member in sorted(vars(module).items()):
            doc = inspect.getdoc(member) if inspect.isclass(member) or inspect.isroutine(member) else None
            if doc and len(doc) > 60 and not attribute.startswith("_"):
                pairs.append((rng.choice(("What does {} do?", "Explain {}.")).format(f"{name}.{attribute}"), doc[:700]))
    rng.shuffle(pairs)
    return pairs


def mixed(answers: dict[str, str], split: str, pairs: int, seed: int) -> list[Pair]:
    """So many pairs, drawn with replacement in the shares of `MIX`: one answer is read in many contexts."""
    rng = random.Random(seed)
    prompts = of_split(split)
    kinds = {kind: [(p.text, answers[p.text]) for p in prompts if p.kind == kind] for kind in MIX if kind != "docs"}
    docs = documentation(random.Random(7))
    kinds["docs"] = docs[: len(docs) // 10] if split == "test" else docs[len(docs) // 10 :]
    return [rng.choice(kinds[kind]) for kind in rng.choices(list(MIX), list(MIX.values()), k=pairs)]


def conversations(folder: Path, engine, split: str, tokens: int, seed: int) -> Chats:
    """Conversations of one to four requests until there are `tokens` ids, template included. folder: for the answers."""
    pairs = mixed(answer_split(folder, engine, split), split, max(PAIRS, PAIRS * tokens // 1000), seed)
    return compose(engine.tokenizer, pairs, tokens, longest=320, most_requests=4, seed=seed)
