"""Chat text for the SAEs: prompts and the models' own answers, composed into conversations, as token ids.

Knows: the tuned model, the bundled prompts, Python's own documentation as further questions and answers.
Does not know: SAEs. Conversations of one to four turns are drawn with replacement, so that one answer is read in many contexts. The held-out conversations use test prompts only.
"""

import argparse
import inspect
import json
import random
from pathlib import Path
from pydoc_data.topics import topics

from answers import read_answer
from common import PROMPTS_FILE, WORK, load_prompts

from core import Edits

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


def answer_all(folder: Path, engine) -> dict[str, str]:
    """text → answer: refusals are the tuned model's own, benign answers the base's (answers.py), which the tuned one is held to.

    Kept in a JSON-lines file, so it can go on where it stopped.
    """
    path = folder / "tuned_answers.jsonl"
    known = dict(json.loads(line) for line in path.read_text().splitlines()) if path.exists() else {}
    prompts = load_prompts(PROMPTS_FILE)
    todo = sorted({p.text for p in prompts if p.kind == "harmful"} - set(known), key=lambda t: (len(t), t))
    with path.open("a") as file:
        for start in range(0, len(todo), 64):
            part = todo[start : start + 64]
            for text, (answer,) in zip(part, engine.answers(part, [Edits()], 20), strict=True):
                known[text] = answer
                file.write(json.dumps([text, answer]) + "\n")
            file.flush()
            print(f"tuned answers {start + len(part)}/{len(todo)}", flush=True)
    tokenizer = engine.tokenizer
    for text in {p.text for p in prompts if p.kind != "harmful"} - set(known):
        known[text] = tokenizer.decode(read_answer(text)["ids"], skip_special_tokens=True)
    return known


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


def conversation(tokenizer, turns: list[tuple[str, str]]) -> tuple[list[int], list[bool]]:
    """Token ids after the shared prefix, and for each whether it is content (counted) or template (not counted)."""
    ids: list[int] = []
    content: list[bool] = []

    def add(text: str, counted: bool) -> None:
        new = tokenizer(text, add_special_tokens=False).input_ids
        ids.extend(new)
        content.extend([counted] * len(new))

    for number, (question, answer) in enumerate(turns):
        if number:
            add("<|im_start|>user\n", False)
        add(question, True)
        add("<|im_end|>\n<|im_start|>assistant\n", False)
        add(answer, True)
        add("<|im_end|>\n", False)
    return ids, content


def compose(tokenizer, answers: dict[str, str], split: str, tokens: int, seed: int, longest: int) -> list:
    """Conversations until `tokens` content tokens are reached. First turns: 40% harmful, 25% look-alike, rest benign."""
    rng = random.Random(seed)
    prompts = [p for p in load_prompts(PROMPTS_FILE) if (p.split == "test") == (split == "test")]
    kinds = {k: [(p.text, answers[p.text]) for p in prompts if p.kind == k] for k in ("harmful", "lookalike", "benign")}
    docs = documentation(random.Random(7))
    docs = docs[: len(docs) // 10] if split == "test" else docs[len(docs) // 10 :]
    found, counted = [], 0
    while counted < tokens:
        turns = []
        for _ in range(rng.choice((1, 1, 2, 3, 4))):
            kind = rng.choices(("harmful", "lookalike", "benign", "docs"), (0.35, 0.25, 0.25, 0.15))[0]
            turns.append(rng.choice(docs if kind == "docs" else kinds[kind]))
        ids, content = conversation(tokenizer, turns)
        ids, content = ids[:longest], content[:longest]
        found.append((ids, content))
        counted += sum(content)
    return found


def main() -> None:
    from core import load

    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    answer_all(WORK, load("demo"))


if __name__ == "__main__":
    main()
