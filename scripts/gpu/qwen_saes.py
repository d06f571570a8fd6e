"""SAEs of Qwen2.5-Coder-1.5B-Instruct on a machine with one GPU and no network, in minutes.

Knows: where the pieces lie, which prompts train and which are held out, how long there is. Does not know how an SAE is
trained (core/training). Run as a script from the repository. Every phase goes on where it was stopped.

    prepare  the model's answers, conversations, residuals (one process)
    train    SAEs in the order of their use, as many workers at a time as asked for, until the time is up
    pack     each SAE as one .tar beside cards.json, for the way home

`--smoke` does all of it on a CPU in a minute or two, with a few prompts and tiny SAEs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

import torch  # noqa: E402
from qwen_plan import CARD, GPU, JOBS, NAME, SETTINGS, texts  # noqa: E402

from core.errors import Cancelled  # noqa: E402
from core.training.answers import answer_prompts, read_answers  # noqa: E402
from core.training.chats import Chats  # noqa: E402
from core.training.pipeline import Work, finish_layer, gather, record_all  # noqa: E402
from core.training.record import finished, record  # noqa: E402
from core.training.settings import TrainingSettings  # noqa: E402

STARTED = time.time()


def say(*what: object) -> None:
    print(f"[{time.time() - STARTED:6.1f}s]", *what, flush=True)


def load(options: argparse.Namespace) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    if options.gguf:
        import gguf_weights

        model = gguf_weights.load(options.gguf, options.index, options.model, options.device)
    else:
        model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.bfloat16).to(options.device).eval()
    say("model loaded", model.dtype, model.device)
    return model, tokenizer


def settings_of(options: argparse.Namespace) -> TrainingSettings:
    if not options.smoke:
        return replace(SETTINGS, tokens=options.tokens)
    return replace(
        SETTINGS,
        layers=(3, 5),
        width=64,
        k=8.0,
        tokens=1500,
        held_out_tokens=300,
        passes=2,
        batch=128,
        answer_tokens=8,
        answers_each=2,
        warm_up_steps=2,
    )


def jobs_of(options: argparse.Namespace) -> tuple[tuple[int, int, int], ...]:
    return ((5, 64, 0), (3, 64, 0), (5, 64, 1), (3, 96, 0)) if options.smoke else JOBS


def layers_that_fit(settings: TrainingSettings, d_model: int, folder: Path) -> TrainingSettings:
    """As many tokens as the disk has room for."""
    folder.mkdir(parents=True, exist_ok=True)
    room = int(0.85 * shutil.disk_usage(folder).free) // (2 * d_model * len(settings.layers))
    if room < settings.tokens + settings.held_out_tokens:
        say(f"room for {room:,} tokens only")
        return replace(settings, tokens=room - settings.held_out_tokens)
    return settings


def prepare(options: argparse.Namespace) -> None:
    model, tokenizer = load(options)
    work = Work(2048, 4) if options.smoke else GPU
    settings = layers_that_fit(settings_of(options), model.config.hidden_size, options.work)
    told = [0.0]

    def progress(message: str, share: float) -> None:
        if time.time() - told[0] > 5:
            told[0] = time.time()
            say(message, f"{share:.0%}")

    wanted, file = texts(options.data, options.smoke), options.work / "answers.jsonl"
    shape = {"new_tokens": settings.answer_tokens, "batch": work.answers, "progress": progress}
    answer_prompts(model, tokenizer, wanted.held_out, file, **shape)  # first: they are needed however short the time
    began = time.time()
    try:
        chats = gather(
            model,
            tokenizer,
            wanted,
            settings,
            options.work,
            work,
            progress,
            cancelled=lambda: time.time() - began > 0.3 * options.seconds,
        )
    except Cancelled:
        say("no more time for answers")
        made = read_answers(file)
        wanted = wanted._replace(train=[text for text in wanted.train if (text, 0) in made], often=[])
        chats = gather(model, tokenizer, wanted, settings, options.work, work, progress)
    say(f"answers made; {chats[0].tokens:,} tokens to record, {chats[1].tokens:,} held out")
    answers = read_answers(options.work / "answers.jsonl")
    refusing = sum(a.startswith("I'm sorry") or a.startswith("I can") for a in answers.values())
    say(f"{len(answers):,} answers, {refusing:,} begin as a refusal; one: {next(iter(answers.items()))}")
    if not options.smoke:
        rate = tokens_a_second(model, chats[1], settings, options.work / "probe", work)
        affordable = int(rate * 0.2 * options.seconds)
        say(f"{rate:,.0f} tokens a second are recorded")
        if affordable < chats[0].tokens:
            say(f"time for {affordable:,} tokens only")
            settings = replace(settings, tokens=affordable)
            chats = gather(model, tokenizer, wanted, settings, options.work, work, progress)
    record_all(model, chats, settings, options.work, work, progress)
    (options.work / "held_out.json").write_text(json.dumps([chats[1].prefix, chats[1].rows]))
    say("recorded")
    options.out.mkdir(parents=True, exist_ok=True)
    with (
        (options.work / "answers.jsonl").open("rb") as source,
        gzip.open(options.out / "answers.jsonl.gz", "wb") as target,
    ):
        shutil.copyfileobj(source, target)


def tokens_a_second(model: Any, chats: Chats, settings: TrainingSettings, folder: Path, work: Work) -> float:
    """How fast residuals are recorded, on some conversations run twice: the first time also warms the device up."""
    few = Chats(chats.prefix, chats.rows[:600])
    for _ in range(2):
        shutil.rmtree(folder, ignore_errors=True)
        began = time.time()
        record(model, few, settings.layers, folder, budget=work.tokens)
    took = time.time() - began
    shutil.rmtree(folder, ignore_errors=True)
    return few.tokens / took


def place_of(options: argparse.Namespace, job: tuple[int, int, int]) -> Path:
    layer, width, seed = job
    return options.work / "saes" / f"layer_{layer:02d}-w{width}-s{seed}"


def train(options: argparse.Namespace) -> None:
    """One worker: takes the next job that nobody has taken, as long as one more is likely to end in time."""
    torch.set_float32_matmul_precision("high")  # TF32: eight times as fast, far below the noise of training
    recordings = finished(options.work / "recorded"), finished(options.work / "held_out")
    prefix, rows = json.loads((options.work / "held_out.json").read_text())
    held = Chats(tuple(prefix), [tuple(row) for row in rows])
    model, _ = load(options)
    longest = 0.0
    for job in jobs_of(options):
        layer, width, seed = job
        folder = place_of(options, job)
        folder.parent.mkdir(parents=True, exist_ok=True)
        left = options.until - time.time()
        if left < 1.15 * longest * (width / 2048 if longest else 1):
            say(f"{left:.0f} s left: no time for {folder.name}")
            continue
        try:
            (folder.parent / f"{folder.name}.taken").touch(exist_ok=False)
        except FileExistsError:
            continue
        began = time.time()
        passes = options.passes or settings_of(options).passes
        settings = replace(settings_of(options), layers=(layer,), width=width, seed=seed, passes=passes)
        try:
            card = finish_layer(
                model,
                recordings,
                held,
                layer,
                settings,
                folder,
                model_name=NAME,
                work=CARD,
                cancelled=lambda: time.time() > options.until,
            )
        except Cancelled as error:
            (folder.parent / f"{folder.name}.taken").unlink()
            say(f"{folder.name}: {error}")
            return
        took = time.time() - began
        longest = max(longest, took * min(1.0, 2048 / width))
        figures = {n: round(card[n], 4) for n in ("explained_variance", "l0", "silent", "ce_recovered")}
        chance = {n: round(card["random"][n], 4) for n in ("explained_variance", "ce_recovered")}
        say(f"{folder.name}: {took:.0f} s, {figures}, random {chance}")
        pack(options, job)


def pack(options: argparse.Namespace, job: tuple[int, int, int]) -> None:
    folder = place_of(options, job)
    options.out.mkdir(parents=True, exist_ok=True)
    partial = options.out / f".{folder.name}"
    with tarfile.open(partial, "w") as archive:
        archive.add(folder, arcname=folder.name)
    partial.replace(options.out / f"{folder.name}.tar")


def cards(options: argparse.Namespace) -> None:
    found = [json.loads(path.read_text()) for path in sorted((options.work / "saes").glob("*/card.json"))]
    (options.out / "cards.json").write_text(json.dumps(found, indent=1))
    say(f"{len(found)} SAEs are done:", ", ".join(sorted(path.name for path in options.out.glob("*.tar"))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", type=Path, required=True, help="folder with config and tokenizer, and weights without --gguf"
    )
    parser.add_argument("--gguf", type=Path, help="the GGUF file, joined")
    parser.add_argument("--index", type=Path, help="where its tensors lie (gguf_weights.make_index)")
    parser.add_argument("--data", type=Path, required=True, help="folder with harmful_train.txt and its siblings")
    parser.add_argument("--work", type=Path, required=True, help="recordings and SAEs: 50 GB")
    parser.add_argument("--out", type=Path, required=True, help="what is to be taken home")
    parser.add_argument("--seconds", type=float, default=400, help="of the whole run")
    parser.add_argument("--tokens", type=int, default=SETTINGS.tokens)
    parser.add_argument("--passes", type=float, default=0)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--phase", choices=("all", "prepare", "train"), default="all")
    parser.add_argument("--until", type=float, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.until = options.until or STARTED + options.seconds
    if options.phase == "prepare":
        return prepare(options)
    if options.phase == "train":
        return train(options)
    # Each phase in processes of its own, so that the first one's memory is free for the workers.
    command = [sys.executable, *sys.argv, "--until", str(options.until)]
    if not (options.work / "held_out.json").exists():
        subprocess.run([*command, "--phase", "prepare"], check=True)
    for old in (options.work / "saes").glob("*.taken"):  # of a run that was stopped; what is done is only packed again
        old.unlink()
    environment = os.environ | {"OMP_NUM_THREADS": "4"}
    workers = [subprocess.Popen([*command, "--phase", "train"], env=environment) for _ in range(options.workers)]
    failed = [worker.wait() for worker in workers]
    cards(options)
    return sys.exit(max(failed)) if any(failed) else None


if __name__ == "__main__":
    main()
