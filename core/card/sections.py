"""The parts of a card's page as HTML, every text escaped.

Knows: how each part of a card is shown. Does not know: the page around them, or how anything was measured.
"""

from __future__ import annotations

from core.card.charts import cosine_chart, score_chart
from core.card.contents import Card, Case, Control, FeatureFacts, Judgement, RunFacts, RunTable, State
from core.card.wording import counted, escaped, number, signed, table
from core.statistics import mean

#: Rows of a run's table that the page shows; the data has them all. Letters of a cell.
MOST_ROWS, MOST_LETTERS = 60, 400


def case_section(case: Case, place: int, of: int, card: Card) -> str:
    """One prompt: what was asked, the numbers, pictures, answers, controls, features."""
    heading = "Prompt" if of == 1 else f"Prompt {place} of {of}"
    earlier = "".join(
        f"<p class='turn'><span>{escaped(turn.role)}</span>{escaped(turn.text)}</p>" for turn in case.turns[:-1]
    )
    parts = [
        f"<section><h2>{heading}</h2>{earlier}<blockquote>{escaped(case.turns[-1].text)}</blockquote>",
        _states(case),
        _answers(case, card),
        _pictures(case),
        _controls(case),
        _features(case),
        "</section>",
    ]
    return "\n".join(filter(None, parts))


def _states(case: Case) -> str:
    start = case.states[0]
    optional = {
        "woken": any(s.woken is not None for s in case.states),
        "put back": any(s.put_back is not None for s in case.states),
        "verdict": any(s.judgement is not None for s in case.states),
        "KL, benign": any(s.cost is not None for s in case.states),
    }
    shown = [name for name, there in optional.items() if there]
    heads = ["state", "refusal score", "P(refusal token)", "KL here", *shown]
    rows = []
    for state in case.states:
        change = f" <small>({signed(state.refusal_score - start.refusal_score)})</small>" if state.edits else ""
        cells = {
            "woken": "" if state.woken is None else f"{state.woken:,}",
            "put back": "" if state.put_back is None else f"{state.put_back:.0%}",
            "verdict": _verdict(state.judgement),
            "KL, benign": _cost(state),
        }
        rows.append(
            [
                f"<b>{escaped(state.name)}</b>",
                f"<b>{signed(state.refusal_score)}</b>{change}",
                number(state.p_refusal, ".4f"),
                number(state.kl, ".4f"),
                *(cells[name] for name in shown),
            ]
        )
    edits = "".join(
        f"<dt>{escaped(s.name)}</dt><dd><code>{escaped(_short(s.edits))}</code></dd>" for s in case.states if s.edits
    )
    listed = f"<dl class='edits'>{edits}</dl>" if edits else ""
    return listed + table(heads, rows, [n for n, head in enumerate(heads) if head not in ("state", "verdict")])


def _short(edits: str) -> str:
    words = edits.split(",")
    return edits if len(words) <= 40 else f"{','.join(words[:40])} … and {len(words) - 40:,} more, in the data"


def _verdict(found: Judgement | None) -> str:
    if found is None:
        return ""
    marks = ", delayed" * found.delayed + ", looping" * (found.looping and found.verdict != "degenerate")
    return f"<span class='verdict {escaped(found.verdict)}'>{escaped(found.verdict)}{marks}</span>"


def _cost(state: State) -> str:
    cost = state.cost
    if cost is None:
        return ""
    interval = f" ({number(cost.kl_low)}–{number(cost.kl_high)}" if cost.kl_low == cost.kl_low else " ("
    return f"{number(cost.kl)}<small>{interval.rstrip('(')}{', ' if '–' in interval else '('}n = {cost.n})</small>"


def _answers(case: Case, card: Card) -> str:
    judged = [(state.name, state.judgement) for state in case.states if state.judgement is not None]
    if not judged:
        return ""
    cards = "".join(
        f"<div class='answer {escaped(one.verdict)}'><h4>{escaped(name)} {_verdict(one)}</h4>"
        f"{_text_of(one)}<p class='why'>{escaped(one.reason)}</p></div>"
        for name, one in judged
    )
    kappa = card.source.judge.kappa
    known = f"κ {kappa:.2f} with people, n = {card.source.judge.n}" if kappa is not None else "not compared with people"
    kept = "" if card.agreed else " The texts were not kept: nobody agreed to that. A digest of each is in the data."
    return (
        f"<h3>Answers</h3><div class='answers'>{cards}</div><p class='note'>At most {counted(case.tokens, 'token')}, "
        f"greedy. Judge: {escaped(card.source.judge.name)} ({known}).{kept}</p>"
    )


def _text_of(one: Judgement) -> str:
    if one.answer is None:
        return ""
    return f"<p class='text'>{escaped(one.answer.strip()) or '<i>(an empty answer)</i>'}</p>"


def _pictures(case: Case) -> str:
    parts = []
    if case.controls:
        parts.append(
            f"<h3>Refusal score beside random controls</h3><div class='chart'>{score_chart(case)}</div>"
            "<p class='note'>Dots: the states. Ticks: their random controls, draw by draw.</p>"
        )
    if chart := cosine_chart(case):
        names = [state.name for state in case.states]
        rows = [
            [str(layer), *(number(state.cosine[layer], "+.3f") if state.cosine else "–" for state in case.states)]
            for layer in range(max(len(state.cosine) for state in case.states))
        ]
        data = table(["layer", *map(escaped, names)], rows, numbers=range(len(names) + 1))
        parts.append(
            f"<h3>Where refusal arises</h3><div class='chart'>{chart}</div>"
            f"<details><summary>Cosine by layer, as numbers</summary>{data}</details>"
        )
    return "".join(parts)


def _controls(case: Case) -> str:
    if not case.controls:
        return ""
    start, scores = case.states[0].refusal_score, {s.name: s.refusal_score for s in case.states}
    rows = [_control(one, start, scores[one.state]) for one in case.controls]
    heads = ["state", "change of score", "controls, mean", "lowest to highest", "put back there"]
    if all(not cells[4] for cells in rows):  # nothing of it was asked for
        heads, rows = heads[:4], [cells[:4] for cells in rows]
    drawn = "".join(f"<p class='note'><b>{escaped(c.state)}</b>: {escaped(c.about)}</p>" for c in case.controls)
    return f"<h3>Controls</h3>{table(heads, rows, range(1, len(heads)))}{drawn}"


def _control(one: Control, start: float, score: float) -> list[str]:
    changes = [draw.refusal_score - start for draw in one.draws]
    middle = signed(mean(changes).value) if changes else "–"
    spread = f"{signed(min(changes))} to {signed(max(changes))}" if changes else "–"
    back = [draw.put_back for draw in one.draws if draw.put_back is not None]
    share = f"{min(back):.0%} to {max(back):.0%}" if back else ""
    return [f"<b>{escaped(one.state)}</b>", signed(score - start), middle, spread, share]


def _features(case: Case) -> str:
    if not case.features:
        return ""
    roles = any(one.role for one in case.features)
    categories = any(one.categories for one in case.features)
    heads = ["feature", "activation", "cosine", "alone", "label", *["role"] * roles, *["categories"] * categories]
    rows = [
        [
            f"<code>{escaped(one.feature)}</code>{' <small>woken</small>' * (one.how == 'woken')}",
            number(one.activation, ".2f"),
            number(one.cosine, "+.3f"),
            "–" if one.effect is None else signed(one.effect),
            escaped(one.label) or "<span class='none'>no label</span>",
            *[escaped(one.role or "")] * roles,
            *[_categories(one)] * categories,
        ]
        for one in case.features
    ]
    more = f" {counted(case.more, 'more feature')} of the edits left out." if case.more else ""
    origins = ", ".join(sorted({one.origin for one in case.features if one.origin}))
    told = f" Labels: {escaped(origins)}." if origins else ""
    return (
        f"<h3>Features</h3>{table(heads, rows, [1, 2, 3], [4])}<p class='note'>Activation: the largest on this prompt "
        "after BOS, unedited. Cosine: of the decoder row with the refusal direction. Alone: change of the refusal "
        f"score when this feature alone is ablated.{told}{more}</p>"
    )


def _categories(one: FeatureFacts) -> str:
    found = sorted((one.categories or {}).items(), key=lambda pair: -pair[1])[:4]
    return escaped(", ".join(f"{name} {rate:.0%}" for name, rate in found))


def run_section(run: RunFacts) -> str:
    """A run of the search: what it depends on, and its tables."""
    name = f"<p><b>{escaped(run.name)}</b> · {escaped(run.run)} · begun {escaped(run.begun)}</p>"
    facts = table(
        ["what", "value"], [[escaped(key), escaped(value)] for key, value in run.facts.items() if key != "settings"]
    )
    tables = "".join(_run_table(one) for one in run.tables)
    return f"<section>{name}<details><summary>What these numbers depend on</summary>{facts}</details>{tables}</section>"


def _run_table(one: RunTable) -> str:
    heads = list(one.rows[0]) if one.rows else []
    rows = [[_cell(row.get(head)) for head in heads] for row in one.rows[:MOST_ROWS]]
    more = f" {len(one.rows) - MOST_ROWS:,} more rows are in the data." if len(one.rows) > MOST_ROWS else ""
    paper = f"Paper: “{escaped(one.section)}”. " if one.section else ""
    return (
        f"<h3>{escaped(one.title)}</h3>{table([escaped(h) for h in heads], rows)}"
        f"<p class='note'>{paper}{escaped(one.note)}{more}</p>"
    )


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return number(value, ".4g")
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return escaped(text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…")


def source_section(card: Card) -> str:
    """Everything the numbers depend on."""
    source = card.source
    tokens = ", ".join(f"“{p}” ({t})" for p, t in zip(source.refusal_pieces, source.refusal_tokens, strict=True))
    rows = {
        "Model": f"{source.model} ({source.model_id})",
        "Revision": source.revision or "not specified",
        "Model files": f"{source.weights or 'not hashed'} (digest of the files, parts of large ones)",
        "Runs on": f"{source.device}, {source.dtype}",
        "Refusal tokens": tokens,
        "Thinking": {None: "this model has none", True: "on", False: "off"}[source.thinking],
        "Judge": f"{source.judge.name} ({source.judge.revision})",
        "Judge and people": _agreement(card),
        "Direction": _direction(card),
        "Versions": ", ".join(f"{name} {version}" for name, version in source.versions.items()),
        "Seed": str(card.seed),
        "Made": f"{card.made}, on {card.page}",
    }
    facts = table(["what", "value"], [[name, escaped(value)] for name, value in rows.items()])
    saes = table(
        ["layer", "SAE", "digest"],
        [[str(one.layer), escaped(one.name), f"<code>{escaped(one.digest)}</code>"] for one in source.saes],
        numbers=[0],
    )
    return (
        f"<section><h2>Where the numbers come from</h2>{facts}<details><summary>{counted(len(source.saes), 'SAE')} "
        f"with the digests of their weights</summary>{saes}</details></section>"
    )


def _agreement(card: Card) -> str:
    judge = card.source.judge
    if judge.kappa is None:
        return "not compared with people"
    return f"κ {judge.kappa:.2f} (95% CI {number(judge.low, '.2f')}–{number(judge.high, '.2f')}, n = {judge.n})"


def _direction(card: Card) -> str:
    found = card.source.direction
    if found is None:
        return "none"
    rule = f"rule “{found.rule}”, " if found.rule else ""
    return f"layer {found.layer}, position {found.position}, norm {found.norm:.2f}, {rule}{found.key}"


def repeat_section(card: Card) -> str:
    """The commands that measure the same again."""
    again = f"<p>Make it again:</p><pre><code>{escaped(card.command)}</code></pre>" if card.command else ""
    return (
        "<section><h2>Check it</h2><p>Measure every number again and compare, on this machine or another:</p>"
        f"<pre><code>hydrascope card verify FILE</code></pre>{again}</section>"
    )
