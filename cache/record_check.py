"""All records of a loaded engine, compared with their checksums in the background.

Knows: dictionaries, a thread. Does not know: what checksums are, models, pages. Records are compared when they are
first read; one that nobody has read yet is found here, and packed again, before somebody needs it. A tenth of the time
is spent with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from core.errors import HydrascopeError
from core.saes.dictionary import Dictionary

#: Records at a time, and the share of the time that is spent with them.
AT_ONCE, SHARE = 256, 0.1
#: Seconds that stopping it waits, where it packs records again.
LAST = 5.0
_log = logging.getLogger("hydrascope.records")


class RecordCheck:
    """The thread that does it; it ends when all are compared, or when it is stopped."""

    def __init__(self, dictionaries: Iterable[Dictionary]) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(list(dictionaries),), name="record check", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let go of the dictionaries."""
        self._stopped.set()
        self._thread.join(LAST)

    def _run(self, dictionaries: list[Dictionary]) -> None:
        for dictionary in dictionaries:
            for start in range(0, dictionary.d_sae, AT_ONCE):
                begin = time.monotonic()
                try:
                    dictionary.check(start, start + AT_ONCE)
                except HydrascopeError as error:  # whoever needs these records is told the same
                    _log.warning("%s", error)
                    break
                if self._stopped.wait((time.monotonic() - begin) * (1 / SHARE - 1)):
                    return
