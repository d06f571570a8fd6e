"""What can go wrong, as types a caller can tell apart.

Knows only the names. A message is one plain sentence or two (what, where, how to fix it), because pages and the
command line show it to people as it is. Anything that is not one of these types is a bug of ours.
"""

import re

#: A message that is longer holds something whole that a file says, or all that a library says of it.
LONGEST = 900
#: White space with a line break in it; begun only where white space begins, because what is quoted may be long.
_BREAKS = re.compile(r"(?<!\s)(?=\s)[^\S\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*+[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*+")


class HydrascopeError(Exception):
    """The root: catch this to show any foreseen trouble to a person. The message is one line, whatever is quoted in it;
    of one that is too long the middle is left out, because the beginning says what and the end how to mend it."""

    def __init__(self, message: object = "") -> None:
        line = _BREAKS.sub(" ", str(message)).strip()
        half = LONGEST // 2
        super().__init__(line if len(line) <= LONGEST else f"{line[:half]} … {line[-half:]}")


class InputError(HydrascopeError, ValueError):
    """A prompt, an edit, a feature or an option cannot be used as given (empty, too long, out of range, not finite)."""


class UnknownModelError(HydrascopeError):
    """A model name is not in the registry."""


class AssetError(HydrascopeError):
    """A local file the program ships or made itself is missing, corrupt, or does not fit the model."""


class StoreError(HydrascopeError):
    """What was found cannot be kept: the disk is full, the folder is gone, the file is damaged."""


class ClusterError(HydrascopeError):
    """A cluster or one of its workers cannot do its part: no room, no files, another version, ended too often."""


class DownloadError(HydrascopeError):
    """Something cannot be downloaded: not there, broken off, damaged on its way, no room, a server in trouble."""


class GarbledAnswerError(DownloadError):
    """An answer came, with status 200, and it is not what it should be. Asking for something else may well succeed."""


class GatedError(DownloadError):
    """A gated repository: its licence is to be accepted on its page, and a token with access to be given."""


class OfflineError(DownloadError):
    """No network, or told to be offline, and what is on this machine is not all that is needed."""


class Cancelled(HydrascopeError):  # noqa: N818 (nothing is wrong: a person wished it)
    """A person stopped it. What had arrived is kept, and the next try goes on from there."""
