"""A Ray cluster: one on this machine alone, begun and ended here, or one that is there.

Knows: how Ray is started and reached. Does not know: runs, workers' insides. A cluster of our own listens on 127.0.0.1
only, with a token, without a dashboard, and tells nobody of its use.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NamedTuple

from core.errors import ClusterError, InputError

#: The address that stands for a cluster of this machine alone.
LOCAL = "local"
#: Bytes that Ray may keep messages in on this machine. A run's rows are few: a thousand prompts are some megabytes.
STORE_BYTES = 200_000_000
INSTALL = "pip install 'ray==2.60.0'"


class Size(NamedTuple):
    """workers: how many; threads: of torch in each, and processors that Ray counts for it."""

    workers: int
    threads: int


def ray_installed() -> bool:
    """Whether Ray can be imported here."""
    return find_spec("ray") is not None


def size_of(workers: int, threads: int | None = None, address: str = LOCAL) -> Size:
    """threads: by default the processors of this machine shared out, and one each on a cluster. Raises InputError."""
    for name, number in (("workers", workers), ("threads", 1 if threads is None else threads)):
        if number < 1:
            raise InputError(f"The number of {name} is {number}; give at least 1.")
    shared = max(1, (os.cpu_count() or 1) // workers) if address == LOCAL else 1
    return Size(workers, shared if threads is None else threads)


@contextmanager
def connected(address: str, size: Size) -> Iterator[None]:
    """This process as the driver of a cluster. One that it is connected to already is used as it is.

    address: `LOCAL`, or of a cluster's head as Ray writes it, `HOST:PORT` or `auto`. Raises InputError where Ray is not
    installed, ClusterError where there is no cluster.
    """
    if not ray_installed():
        raise InputError(f"Ray is not installed here. Install it with `{INSTALL}`, or leave --ray out.")
    if address.startswith("ray://"):
        raise InputError("Start on a machine of the cluster, with its address HOST:PORT; ray:// is not supported.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == LOCAL:
        # Read when ray is imported: without it, Linux machines listen on every network they are in.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(16))
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        if address == LOCAL:
            ray.init(
                address=LOCAL,
                num_cpus=size.workers * size.threads,
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                _node_ip_address="127.0.0.1",
                log_to_driver=False,
                logging_level="ERROR",
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ClusterError(
            f"There is no Ray cluster at {address} that can be used ({reason}). Start one with `ray start --head`."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
