"""How a command can end. Knows: the numbers and what they mean. Does not know: commands."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a shell is given when a command ends."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "everything that was asked for is done"
    PARTLY = 1, "some prompts, rows or files failed; the rest is done and kept"
    REFUSED = 2, "it cannot be done as asked; one sentence says why and how to mend it"
    STORE_TAKEN = 3, "another process has the store of results open, so nothing was begun"
    INTERRUPTED = 130, "interrupted with Ctrl-C; what was found is kept"
