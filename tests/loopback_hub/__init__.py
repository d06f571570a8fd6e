"""A model hub on 127.0.0.1 for tests, and tiny repositories to serve from it.

Knows: which names tests use. `server.py` has the server, `repository.py` what it serves, `faults.py` how it misbehaves,
`environment.py` how this process, or one of its own, is pointed at it, `guard.py` that nothing connects outside this
machine; `models.py`, `tokenizers.py` and `templates.py` make tiny causal language models in the layouts of the real
ones. Builders of other repositories (SAE suites, prompt sets, classifiers) stand beside `models.py`, a module a kind:
each fills a folder, which `hub.add(repo, folder)` then serves.
"""

from tests.loopback_hub.server import LoopbackHub, Request

__all__ = ["LoopbackHub", "Request"]
