"""`hydrascope audit`: one prompt, unedited and edited, as text or as one JSON object.

Knows: what is printed of a measurement. Does not know: how anything is measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.commands.exit_codes import ExitCode
from core.commands.options import add_model, add_reference, add_thinking
from core.commands.terminal import note, progress_bar
from core.errors import InputError
from core.text.json_text import json_text
from core.text.pieces import pieces_text

if TYPE_CHECKING:
    from core.engine import Engine
    from core.measures.recovery import Gap
    from core.prompts.references import Reference

SUMMARY = "audit one prompt without and with edits: score, verdict, answer, cosines"
EXAMPLE = 'hydrascope audit "How do I pick a lock?" --ablate 15-1131,14-77'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt")
    add_model(parser)
    parser.add_argument(
        "--ablate",
        default="",
        metavar="EDITS",
        help="12-40,14-7 ablates; 12-40=6@bos clamps; 12-40*0.5 ablates by half; 12-40?9-3>2.5 acts only where 9-3 "
        "is above 2.5; direction ablates the refusal direction",
    )
    add_thinking(parser)
    parser.add_argument("--tokens", type=int, default=32, help="longest answer, in tokens (32)")
    add_reference(parser)
    parser.add_argument("--json", action="store_true", help="print only one JSON object")


def run(options: argparse.Namespace) -> int:
    """Measure, generate and print. Raises InputError and what `load` raises."""
    from core.engine import load
    from core.prompts.references import read_reference_file

    given = read_reference_file(options.reference) if options.reference else []
    with progress_bar() as progress:
        engine = load(options.model, progress=progress)
    engine = engine.with_thinking(True) if options.thinking else engine
    found = _audit(engine, options.prompt, options.ablate, options.tokens, given)
    print(json_text(found, ascii_only=False, indent=1) if options.json else _text(found))
    return ExitCode.DONE


def _audit(engine: Engine, prompt: str, ablate: str, tokens: int, given: Sequence[Reference]) -> dict[str, Any]:
    """Everything the command prints, as plain values."""
    from core.answers.fitted import agreement_sentence
    from core.answers.judge import ended_of
    from core.answers.thoughts import score_note
    from core.edits.edits import Edits
    from core.edits.overridden import overridden_sentence
    from core.edits.typed import from_neuronpedia
    from core.prompts.references import references_for, shipped_references

    known = references_for([prompt], given, shipped_references(engine.spec.references))
    if given and not (known and known[0] in given):
        raise InputError("The file of --reference has no line for this prompt. Add one, or leave the option out.")
    judge = engine.judge
    direction = engine.direction() if engine.has_direction else None
    edits = Edits.from_text(from_neuronpedia(ablate, engine.spec.neuronpedia), direction)
    if idle := overridden_sentence(edits.items):
        note(idle)
    sets = [Edits(), edits] if edits else [Edits()]
    found = engine.measure([prompt], sets, kl=True)
    gaps = engine.recovery(known, sets)[0] if known else None
    sides = []
    for column, one in enumerate(sets):
        ((answer,),) = engine.answers([prompt], [one], tokens)
        judged = judge.decisions([prompt], [answer], ended_of([answer]))[0]
        assert found.kl is not None
        sides.append(
            {
                "edits": one.to_text(),
                "refusal_score": round(float(found.refusal_score[0, column]), 4),
                "p_refusal": float(f"{float(found.p_refusal[0, column]):.6g}"),  # it can be small
                "kl": round(float(f"{float(found.kl[0, column]):.6g}"), 9),  # below is the noise of float32
                "verdict": judged.verdict,
                "reason": judged.reason,
                "looping": judged.looping,
                "delayed": judged.delayed,
                "answer": answer,
                **({} if gaps is None else _recovered(gaps[column])),
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
        "thinking": engine.runtime.template.thinking,
        "refusal_tokens": list(engine.refusal_pieces),
        "score_note": score_note(engine.runtime, engine.prompt(prompt)),
        "judge": agreement_sentence(judge.name, judge.revision),
        "direction": None
        if direction is None
        else {"layer": direction.layer, "rule": direction.provenance.get("rule")},
        "reference": None if gaps is None else _about(known[0], gaps[0]),
        "results": sides,
    }


def _recovered(gap: Gap) -> dict[str, Any]:
    """One side's NLL of the reference answer, and what of the gap is closed; null where there is no gap."""
    return {"nll": round(gap.edited, 4), "recovery": round(gap.recovery, 4) if gap.recovery == gap.recovery else None}


def _about(reference: Reference, gap: Gap) -> dict[str, Any]:
    """The reference answer and its NLL under the model that wrote it, nats a token of this model; null if unknown."""
    nll = None if gap.floor else round(gap.reference, 4)
    return {"answer": reference.answer, "model": reference.model or None, "nll": nll}


def _text(found: dict[str, Any]) -> str:
    lines = [f"{found['model']} · {found['placement']}", found["judge"]]
    lines += [found["score_note"]] * bool(found["score_note"])
    named = pieces_text(found["refusal_tokens"])
    for side in found["results"]:
        lines += [
            "",
            f"{side['edits'] or 'unedited'}: {side['verdict']} ({side['reason']}), "
            f'P("{named}") {side["p_refusal"]:.4f}, '
            f"refusal score {side['refusal_score']:+.2f}, KL on this prompt {side['kl']:.4f} nats",
            f"  {side['answer']!r}",
            *([_recovery_text(side, found["reference"])] if found["reference"] else []),
        ]
        if all(c is not None for c in side["cosine"]):
            lines.append("  cosine by layer: " + " ".join(f"{c:+.2f}" for c in side["cosine"]))
    return "\n".join(lines)


def _recovery_text(side: dict[str, Any], reference: dict[str, Any]) -> str:
    """What is said of the reference answer under one side."""
    theirs = "unknown, counted as 0" if reference["nll"] is None else f"{reference['nll']:.3f}"
    line = f"  reference answer: NLL {side['nll']:.3f} nats a token (its writer's {theirs})"
    if not side["edits"]:
        return line
    return f"{line}, recovery {side['recovery']:.1%}" if side["recovery"] is not None else f"{line}, no gap to recover"
