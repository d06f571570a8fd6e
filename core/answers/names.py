"""Names of the judges that are rules, as they are asked for and stored. Knows: names. Does not know: rules."""

from __future__ import annotations

SUBSTRINGS, SUBSTRINGS_0_1, WORDINGS, RULES = "substrings", "substrings-0.1", "wordings", "rules"
