"""The engine at the prompt: `python -m core audit "…"` and `python -m core prepare`.

Knows: arguments, plain output, exit codes (0 done, 2 what was asked cannot be done). Does not know: pages.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from core.edits import Edits
from core.engine import Engine, load
from core.errors import HydrascopeError
from core.registry import names
from core.verdicts import verdict


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m core", description="Audit why an open-weight chat model refuses.")
    commands = parser.add_subparsers(dest="command", required=True)
    audit = commands.add_parser("audit", help="one prompt, unedited and edited: score, verdict, answer, cosines")
    audit.add_argument("prompt")
    audit.add_argument("--model", default="demo", help=f"one of: {', '.join(names())}")
    audit.add_argument(
        "--ablate", default="", metavar="EDITS", help="12-40,14-7 ablates; 12-40=6@bos clamps; direction ablates it"
    )
    audit.add_argument("--tokens", type=int, default=32, help="longest answer, in tokens")
    audit.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    prepare = commands.add_parser(
        "prepare", help="fetch and convert what the model needs, so that the first start is quick"
    )
    prepare.add_argument("--model", default="demo")
    options = parser.parse_args(arguments)
    try:
        engine = load(options.model, progress=_progress if sys.stderr.isatty() else None)
        if options.command == "prepare":
            print(f"{engine.spec.name} is ready ({engine.placement}).")
            return 0
        found = _audit(engine, options.prompt, options.ablate, options.tokens)
    except HydrascopeError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(json.dumps(found, ensure_ascii=False, indent=1) if options.json else _text(found))
    return 0


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
