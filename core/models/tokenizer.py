"""A model's tokenizer from its folder, or one sentence on why it is none.

Knows: transformers, and what its fast tokenizers read only when a text is long. Does not know: chat templates.
"""

from __future__ import annotations

from numbers import Real
from pathlib import Path
from typing import Any

from core.errors import AssetError
from core.text.reasons import reason_of


def load_tokenizer(name: str, place: str, folder: Path) -> Any:
    """transformers' own tokenizer. name, place: the model and where it comes from, for messages. Raises AssetError."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if not isinstance(tokenizer.model_max_length, Real):  # it is compared with the length of every text
            raise ValueError("“model_max_length” in tokenizer_config.json is no number")
    except Exception as error:  # each tokenizer library has its own types for a file it cannot read
        reason = reason_of(error)
        raise AssetError(
            f"The tokenizer of “{name}” cannot be loaded from {place} ({reason}); restore its files, or choose "
            "another model."
        ) from error
    return tokenizer
