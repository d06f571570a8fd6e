"""What several of these tests read: files that the pieces of work take, made once a module."""

from __future__ import annotations

import pytest

from tests.adversity.writers import make_files
from tests.tiny_gguf import tiny_gguf


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    make_files(folder)
    tiny_gguf(folder / "tiny.gguf")
    return folder
