"""A card as one HTML page: what it is about, each prompt, a run's tables, where it comes from, how to repeat it.

Knows: the order of things. Does not know: how a part is written (`sections.py`), or the page's frame (`page.py`).
"""

from __future__ import annotations

from core.card.contents import Card, card_json
from core.card.page import whole_page
from core.card.sections import case_section, repeat_section, run_section, source_section
from core.card.wording import counted, escaped

#: What a card does not prove, on every card.
LIMITS = (
    "What this card does not prove. Its numbers are of these prompts and this model alone; one prompt has no interval. "
    "Moving a score with a feature shows that the feature matters here, not what it means. Compare a claim with the "
    "random controls beside it before you believe it. A verdict is a judge’s; how far that judge agrees with people "
    "stands beside it. The digest shows that nothing was changed by accident or by hand; it is no signature."
)


def card_page(card: Card) -> str:
    """The page; every text in it that a person or a model wrote is escaped."""
    what = "Run of the search" if card.run else "Audit card"
    title = f"{what}: {escaped(card.source.model)}"
    parts = [
        f"<header><p class='kind'>Hydrascope · {escaped(card.page)}</p><h1>{what}</h1>",
        f"<p class='about'>{_about(card)}</p></header>",
        "<main>",
    ]
    if card.run:
        parts.append(run_section(card.run))
        if card.cases:
            parts.append(
                "<h2>Minimal sets, measured again for this card</h2><p class='note'>Each prompt’s smallest set. "
                "<code>hydrascope card verify</code> measures these numbers again.</p>"
            )
    parts += [case_section(case, number, len(card.cases), card) for number, case in enumerate(card.cases, start=1)]
    parts += [f"<p class='note limits'>{escaped(LIMITS)}</p>", source_section(card), repeat_section(card), "</main>"]
    return whole_page(title, "\n".join(parts), card_json(card))


def _about(card: Card) -> str:
    source = card.source
    parts = [
        f"<b>{escaped(source.model)}</b>",
        f"{escaped(source.dtype)} on {escaped(source.device)}",
        counted(len(card.cases), "prompt") if card.cases else "",
        escaped(card.made),
    ]
    return " · ".join(filter(None, parts))
