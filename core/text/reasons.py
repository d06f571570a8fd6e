"""Why something failed, from an error of a library, in words that fit between brackets of a sentence.

Knows: how Python's and the libraries' errors read. Does not know: what was tried.
"""

from __future__ import annotations

import json

_LONGEST = 200


def reason_of(error: BaseException) -> str:
    """One line, without a full stop at its end."""
    match error:
        case UnicodeDecodeError() | UnicodeEncodeError():
            return "it holds bytes that are no text"
        case json.JSONDecodeError():
            return f"no JSON at line {error.lineno}, column {error.colno}"
        case OSError() if error.strerror:
            return error.strerror
        case KeyError() if error.args:
            return f"“{error.args[0]!s:.60}” is missing"
        case RecursionError():
            return "it is nested too deeply"
        case MemoryError():
            return "it does not fit into memory"
    lines = str(error).strip().splitlines()
    return (lines[0][:_LONGEST] if lines else _name(error)).rstrip(". ")


def _name(error: BaseException) -> str:
    return type(error).__name__
