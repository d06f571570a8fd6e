"""How a file's delivery goes wrong, and how often: told by tests, used up by the server.

Knows: the kinds of trouble. Does not know: HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass
class Fault:
    """One trouble. repo and file may be glob patterns; an empty file means the repository's API pages.

    times: how many requests it meets, None for every one. Of the rest, one is set: break_after (bytes of the body sent
    before the connection is closed), corrupt (bytes changed, same length), bytes_per_second, stall_after (bytes sent
    before nothing more comes while the connection stays open), status (an HTTP error with these headers).
    """

    repo: str
    file: str
    times: int | None = None
    break_after: int | None = None
    corrupt: bool = False
    bytes_per_second: float | None = None
    stall_after: int | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Faults:
    """The troubles a hub has been told of. Requests come from many threads; the lock keeps `times` exact."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def refusal(self, repo: str, file: str) -> Fault | None:
        """The error this request is answered with, if any."""
        return self._take(repo, file, wants_error=True)

    def trouble(self, repo: str, file: str) -> Fault | None:
        """What happens to the body of this file's delivery, if anything."""
        return self._take(repo, file, wants_error=False)

    def _take(self, repo: str, file: str, wants_error: bool) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                same = fnmatchcase(repo, fault.repo) and fnmatchcase(file, fault.file)
                if same and (fault.status is not None) is wants_error and fault.times != 0:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None
