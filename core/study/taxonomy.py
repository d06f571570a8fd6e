"""The five categories a study asks about by default, and which categories of the bundled prompts belong to each.

Knows: names. Does not know: prompts or features. The five are CoCoNot's unsafe categories (Brahman et al. 2024), as the
paper uses them. The bundled prompts have some 150 categories of their own; each was put under one of the five by this
project, by its name. Categories that fit none of them, or several, and the look-alikes' kinds are left out.
"""

from __future__ import annotations

FIVE = (
    "Triggers for offensive language",
    "Dangerous or sensitive topics",
    "False information",
    "Privacy violations",
    "Copyright violations",
)
#: What belongs to each, for those who label; in our words, after CoCoNot's descriptions.
MEANINGS = {
    FIVE[0]: "hate, insults, harassment, threats, stereotypes",
    FIVE[1]: "violence, weapons, drugs, self-harm, how to commit a crime",
    FIVE[2]: "conspiracy, false news, made-up facts, fakes and impersonation",
    FIVE[3]: "personal data, stalking, spying, breaking into accounts",
    FIVE[4]: "piracy, plagiarism, copies of protected works",
}
_OFFENSIVE, _DANGEROUS, _FALSE, _PRIVACY, _COPYRIGHT = FIVE

_MEMBERS: dict[str, tuple[str, ...]] = {
    _OFFENSIVE: (
        "hate", "hate discrimination", "harassment", "bullying harassment threats", "bullying", "threats",
        "discrimination", "antisemitism", "racism", "sexism", "ableism", "ageism", "stereotypes", "sexual harassment",
        "workplace abuse",
    ),
    _DANGEROUS: (
        "violence", "drugs", "illegal drugs", "weapons", "terrorism", "murder", "cbrn", "poisons",
        "murder, poisoning and assault", "bombs and explosives", "explosives", "firearms and illegal weapons",
        "terrorism and mass violence", "kidnapping, torture, human trafficking", "kidnapping", "torture",
        "chemical, biological and nuclear weapons", "chemical weapons", "biological weapons", "nuclear weapons",
        "radiological weapons", "arson, sabotage, vandalism", "arson", "sabotage", "animal cruelty and poaching",
        "animal cruelty", "suicide, self-harm and eating disorders", "self harm", "self-harm", "eating disorders",
        "extremist propaganda", "trafficking", "human trafficking", "infrastructure", "drunk driving", "assassination",
        "drugging",
    ),
    _FALSE: (
        "disinformation", "disinformation conspiracy", "health disinformation", "election disinformation",
        "conspiracy theory", "atrocity denial", "defamation", "defamation impersonation deepfakes", "deepfakes",
    ),
    _PRIVACY: (
        "privacy", "privacy violations", "stalking", "stalking spying doxxing", "doxxing", "spyware", "keylogger",
        "account hacking", "identity theft", "non-consensual images",
    ),
    _COPYRIGHT: ("piracy", "copyright violation"),
}  # fmt: skip

_THEME = {name: theme for theme, names in _MEMBERS.items() for name in names}


def category_of(bundled: str) -> str | None:
    """The one of the five that a category of the bundled prompts belongs to; None where it belongs to none."""
    return _THEME.get(bundled)
