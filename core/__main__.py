"""The engine at the prompt: `python -m core audit "…"`, `discover`, `judge`, `labels`, `models`, `prompts` and
`prepare`.

Knows: arguments, plain output, exit codes (0 done, 1 some prompts failed, 2 what was asked cannot be done, 3 another
process keeps the store, 130 interrupted). Does not know: pages. Like `app.py` it stands at the end of the line and is
the one module of `core` that imports `cache`: a run without a browser goes into the same store.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from core.answers.verdicts import verdict
from core.edits.edits import Edits
from core.engine import Engine, load
from core.errors import HydrascopeError, InputError
from core.judges import judge_names
from core.models.registry import model_names
from core.progress import QUIET
from core.prompts.shipped import plain_texts
from core.text.layers import parse_layers


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m core", description="Audit why an open-weight chat model refuses.")
    commands = parser.add_subparsers(dest="command", required=True)
    audit = commands.add_parser("audit", help="one prompt, unedited and edited: score, verdict, answer, cosines")
    audit.add_argument("prompt")
    audit.add_argument("--model", default="demo", help=f"one of: {', '.join(model_names())}")
    audit.add_argument(
        "--ablate",
        default="",
        metavar="EDITS",
        help="12-40,14-7 ablates; 12-40=6@bos clamps; 12-40*0.5 goes half the way; 12-40?9-3>2.5 acts only where 9-3 "
        "is above 2.5; direction ablates it",
    )
    audit.add_argument("--tokens", type=int, default=32, help="longest answer, in tokens")
    audit.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    _discover_arguments(commands.add_parser("discover", help="the paper's three-stage search over many prompts"))
    _judge_arguments(
        commands.add_parser("judge", help="what answers are, by rules or a classifier, and how judges agree")
    )
    _labels_arguments(commands.add_parser("labels", help="what features are about: made on prompts, or Neuronpedia's"))
    _prompts_arguments(commands.add_parser("prompts", help="a public prompt set or a file: checked, divided, written"))
    _models_arguments(commands.add_parser("models", help="the models that are known, and one of your own added"))
    prepare = commands.add_parser(
        "prepare", help="fetch and convert what the model needs, so that the first start is quick"
    )
    prepare.add_argument("--model", default="demo")
    options = parser.parse_args(arguments)
    try:
        if options.command == "judge":
            from core.commands.judge import judge_answers

            return judge_answers(options)
        if options.command == "prompts":
            return _prompts(options)
        if options.command == "models":
            return _models(options)
        engine = load(options.model, progress=_progress if sys.stderr.isatty() else QUIET)
        if options.command == "prepare":
            print(f"{engine.spec.name} is ready ({engine.placement}).")
            return 0
        if options.command == "discover":
            return _discover(engine, options)
        if options.command == "labels":
            return _labels(engine, options)
        found = _audit(engine, options.prompt, options.ablate, options.tokens)
    except HydrascopeError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(json.dumps(found, ensure_ascii=False, indent=1) if options.json else _text(found))
    return 0


def _discover_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="demo", help=f"one of: {', '.join(model_names())}")
    files = "txt, csv, tsv, json, jsonl or parquet; without it the model's bundled held-out prompts"
    parser.add_argument("--harmful", metavar="FILE", help=files)
    parser.add_argument("--benign", metavar="FILE", help=files)
    parser.add_argument("--column", help="the column of --harmful that holds the prompts, where there are several")
    parser.add_argument("--benign-column", help="the same for --benign")
    parser.add_argument("--plain", metavar="FILE", help="plain texts for cross-entropy, instead of the bundled prose")
    parser.add_argument("--stages", default="1,2,3", help="1, or 1,2, or 1,2,3 (default)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="any setting, value in JSON")
    parser.add_argument("--name", default="", help="what to call the run")
    parser.add_argument("--resume", metavar="ID", help="go on with a run, with its own prompts and settings")
    parser.add_argument("--out", metavar="DIR", type=Path, help="write the tables there: CSV, Parquet, JSON, Markdown")


def _judge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", metavar="NAME", help=f"one of: {', '.join(judge_names())}")
    parser.add_argument(
        "--agreement", metavar="NAME", nargs=2, help="compare two judges, on all stored answers or these"
    )
    parser.add_argument("--file", help="prompts and answers: csv, tsv, json, jsonl or parquet")
    parser.add_argument("--prompt-column", help="the column of --file that holds the prompts, where it is not plain")
    parser.add_argument("--answer-column", help="the same for the answers")
    parser.add_argument("--run", metavar="ID", help="the answers that a run of the search has kept")
    parser.add_argument("--folder", metavar="DIR", type=Path, help="a local copy of the judge's model")
    parser.add_argument("--model", default="demo", help="whose refusal score first-token reads")
    parser.add_argument("--device", help="cpu, cuda or mps; chosen without it")
    parser.add_argument("--keep-answers", action="store_true", help="store the answers' text too, not only their hash")
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write a JSON line an answer, or the agreement as JSON"
    )


def _discover(engine: Engine, options: argparse.Namespace) -> int:
    from cache.jobs.discover import begin, bundled_prompts, carry_out, read_file
    from cache.store.database import shared_store
    from cache.store.runs import Runs

    store = shared_store()
    if store.trouble:
        print(f"{store.trouble} A run must not be lost, so none is begun.", file=sys.stderr)
        return 3
    runs, identifier = Runs(store), options.resume
    if identifier is None:
        harmful = read_file(options.harmful, options.column) if options.harmful else bundled_prompts(engine, "harmful")
        benign = (
            read_file(options.benign, options.benign_column) if options.benign else bundled_prompts(engine, "benign")
        )
        plain = read_file(options.plain) if options.plain else plain_texts()
        identifier = begin(runs, engine, harmful, benign, plain, _settings(options), options.name)
    print(f"Run {identifier}", file=sys.stderr)
    try:
        failed = carry_out(runs, engine, identifier, options.out)
    except KeyboardInterrupt:
        print(f"Stopped; everything found is kept. Go on with --resume {identifier}", file=sys.stderr)
        return 130
    print(f"Run {identifier} is finished" + (f"; {failed} rows failed, see its table of failures." if failed else "."))
    return 1 if failed else 0


def _labels_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="demo", help=f"one of: {', '.join(model_names())}")
    files = "a file or a public set to make labels on; without it, and without --neuronpedia, the bundled prompts"
    parser.add_argument("--prompts", metavar="NAME_OR_FILE", help=files)
    parser.add_argument("--column", help="the column of --prompts that holds them, where there are several")
    parser.add_argument("--neuronpedia", action="store_true", help="fetch Neuronpedia's labels of every layer in bulk")
    parser.add_argument("--layers", metavar="N,N", help="only these layers")


def _labels(engine: Engine, options: argparse.Namespace) -> int:
    from cache.store.database import shared_store
    from core.commands.labels import label

    if options.neuronpedia and (trouble := shared_store().trouble):
        print(f"{trouble} Labels must not be lost, so none are fetched.", file=sys.stderr)
        return 3
    layers = parse_layers(options.layers or "") or None
    try:
        return 0 if label(engine, options.prompts, options.column, options.neuronpedia, layers) else 1
    except KeyboardInterrupt:
        print("Stopped; what is whole is kept. The same command goes on from there.", file=sys.stderr)
        return 130


def _prompts_arguments(parser: argparse.ArgumentParser) -> None:
    from core.prompts.public_sets import set_names as sets

    parser.add_argument("prompts", metavar="NAME_OR_FILE", help=f"one of: {', '.join(sets())}; or a file")
    parser.add_argument("--kind", choices=("harmful", "benign", "look-alike"), help="which prompts of a public set")
    parser.add_argument("--column", help="the column that holds the prompts, where there are several")
    parser.add_argument(
        "--split", default="", metavar="NAME=SIZE,…", help="train=128,val=32, or shares: train=0.8,val=0.2"
    )
    parser.add_argument("--seed", type=int, default=42, help="of the split (42)")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write what is kept; with a split one file a part")


def _prompts(options: argparse.Namespace) -> int:
    from core.commands.prompts import prompts

    progress = _progress if sys.stderr.isatty() else QUIET
    prompts(options.prompts, options.kind, options.column, options.split, options.seed, options.out, progress)
    return 0


def _models_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", title="without any of these, every known model is listed")
    add = actions.add_parser("add", help="check a model of your own, and remember it by a name")
    add.add_argument("name")
    add.add_argument("--model", required=True, metavar="ID", help="its name on the hub, owner/model, or its folder")
    add.add_argument(
        "--saes",
        required=True,
        metavar="RELEASE_OR_FOLDER",
        help="a release of SAELens, or release/sae_id; or a SAELens SAE's folder, or one that holds several",
    )
    add.add_argument(
        "--choose",
        default="",
        metavar="TEXT",
        help="which SAE, where there are several at a layer: parts of its name, or all of it with {layer} in it",
    )
    add.add_argument("--layers", default="", metavar="N,N", help="such as 12,13 or 2-16; without it all there are")
    add.add_argument("--refusal-word", default="I", metavar="WORD", help="what refusals begin with, or a token id (I)")
    add.add_argument("--revision", default="", help="a branch, tag or commit on the hub")
    for name, told in (
        ("needs", "what a known model takes, nothing of it loaded"),
        ("remove", "take one off your list"),
    ):
        actions.add_parser(name, help=told).add_argument("name")


def _models(options: argparse.Namespace) -> int:
    from core.commands import models as own
    from core.models.check_added import Draft

    if options.action == "add":
        layers = parse_layers(options.layers)
        draft = Draft(
            options.name, options.model, options.saes, options.choose, layers, options.refusal_word, options.revision
        )
        own.add_model(draft, _progress if sys.stderr.isatty() else QUIET)
    elif options.action:
        {"needs": own.tell_needs, "remove": own.remove_model}[options.action](options.name)
    else:
        own.list_models()
    return 0


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Settings as given on the command line. Raises InputError."""
    values: dict[str, Any] = {"stages": [_json(part) for part in options.stages.split(",")]}
    for word in options.set:
        name, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"“{word:.40}” is not a setting; write name=value, for example tokens=32.")
        values[name.strip()] = _json(value)
    return values


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value.strip()


def _audit(engine: Engine, prompt: str, ablate: str, tokens: int) -> dict[str, Any]:
    """Everything the command prints, as plain values."""
    direction = engine.direction() if engine.has_direction else None
    edits = Edits.from_text(ablate, direction)
    sets = [Edits(), edits] if edits else [Edits()]
    found = engine.measure([prompt], sets, kl=True)
    sides = []
    for column, one in enumerate(sets):
        answer = "".join(engine.generate(prompt, one, max_new_tokens=tokens))
        assert found.kl is not None
        sides.append(
            {
                "edits": one.to_text(),
                "refusal_score": round(float(found.refusal_score[0, column]), 4),
                "p_refusal": round(float(found.p_refusal[0, column]), 6),
                "kl": round(float(found.kl[0, column]), 6),
                "verdict": verdict(answer),
                "answer": answer,
                "cosine": [round(float(c), 4) if c == c else None for c in found.cosine[0, column]],
            }
        )
    spec = engine.spec
    return {
        "prompt": prompt,
        "model": spec.name,
        "revision": spec.revision,
        "sae_layers": list(spec.layers),
        "placement": engine.placement,
        "direction": None
        if direction is None
        else {"layer": direction.layer, "rule": direction.provenance.get("rule")},
        "results": sides,
    }


def _text(found: dict[str, Any]) -> str:
    lines = [f"{found['model']} · {found['placement']}"]
    for side in found["results"]:
        lines += [
            "",
            f'{side["edits"] or "unedited"}: {side["verdict"]}, P("I") {side["p_refusal"]:.4f}, '
            f"refusal score {side['refusal_score']:+.2f}, KL {side['kl']:.4f}",
            f"  {side['answer']!r}",
        ]
        if all(c is not None for c in side["cosine"]):
            lines.append("  cosine by layer: " + " ".join(f"{c:+.2f}" for c in side["cosine"]))
    return "\n".join(lines)


def _progress(message: str, share: float) -> None:
    print(f"\r{share:4.0%} {message:60s}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
