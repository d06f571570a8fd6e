"""What every prompt of a model begins with: there has to be something.

Knows: templates. Does not know: models.
"""

from __future__ import annotations

from core.errors import InputError
from core.prompts.template import Template


def check_beginning(name: str, template: Template) -> None:
    """Raises InputError where prompts begin with what was typed: position 0 is left out of counts everywhere, as the
    token that is the same for every prompt and is fed by no other. name: the model, for the message."""
    if not template.before:
        raise InputError(
            f"“{name}” has neither a BOS token nor a chat template that writes anything before a request, so the first "
            "token of each prompt would be typed text, which is left out here as the same for every prompt. Choose the "
            "chat version of this model, or set bos_token in its tokenizer_config.json."
        )
