"""The store for a command: what is to be told of it, and how a command ends that cannot have it.

Knows: exit codes. Does not know: what is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.commands.exit_codes import ExitCode
from core.commands.terminal import note
from core.errors import StoreError

if TYPE_CHECKING:
    from cache.store.database import Store


def store_or_ending(consequence: str) -> Store | ExitCode:
    """The store that is kept on disk; where another process has it, how the command ends. consequence: a sentence on
    what is not done then. What was put aside is told. Raises StoreError where the file is the trouble."""
    store = opened_store()
    if not store.trouble:
        return store
    if not store.taken:
        raise StoreError(f"{store.trouble} {consequence}")
    note(f"{store.trouble} {consequence}")
    return ExitCode.STORE_TAKEN


def opened_store() -> Store:
    """The store, on disk or, where that cannot be, in memory. What was put aside is told."""
    from cache.store.database import shared_store

    store = shared_store()
    if store.notice:
        note(store.notice)
    return store
