"""Chat messages in files of prompts: the one request that a row's conversation holds.

Knows: the two usual ways to write messages. Does not know: files, chat templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.errors import InputError

#: Columns that hold a list of messages.
MESSAGES = ("messages", "conversation", "conversations", "prompt", "chat", "dialogue")
_ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}


def prompts_of(cells: Sequence[Any], column: str, name: str) -> list[str | None] | None:
    """For each row the user's one message, None where the row has none; None where the column holds no messages.

    Raises InputError for a row with a system prompt or several turns, since one text cannot stand for these.
    """
    if not any(_is_messages(cell) for cell in cells):
        return None
    return [_prompt(cell, column, f"{name}, row {number:,}") for number, cell in enumerate(cells, start=1)]


def _is_messages(cell: Any) -> bool:
    return _listed(cell) and len(cell) > 0 and all(_role(one) is not None for one in cell)


def _listed(cell: Any) -> bool:
    return not isinstance(cell, str | bytes | dict) and hasattr(cell, "__len__") and hasattr(cell, "__iter__")


def _role(message: Any) -> str | None:
    if not isinstance(message, dict):
        return None
    role = message.get("role", message.get("from"))
    return _ROLES.get(role.lower(), role.lower()) if isinstance(role, str) else None


def _prompt(cell: Any, column: str, where: str) -> str | None:
    if not _listed(cell) or len(cell) == 0:
        return None
    if not _is_messages(cell):
        raise InputError(f"{where}: “{column}” holds no chat messages, but other rows do. Correct the row.")
    roles = [_role(one) for one in cell]
    if roles not in (["user"], ["user", "assistant"]):
        raise InputError(
            f"{where}: “{column}” is a conversation ({', '.join(str(role) for role in roles[:4])}), and one prompt "
            "cannot stand for it. Write the request of each row as a text in a column “prompt”."
        )
    content = cell[0].get("content", cell[0].get("value"))
    if _listed(content) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text")
    if not isinstance(content, str):
        raise InputError(f"{where}: the user's message in “{column}” is not one text. Write it as a text.")
    return content
