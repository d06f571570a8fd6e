"""A hub that answers with status 200 and in another shape: one typed sentence."""

import pytest

from core.errors import GarbledAnswerError
from core.hub.fetch import Wanted, fetch
from core.hub.listing import look
from tests.loopback_hub.repository import Repository


@pytest.mark.parametrize(
    "told",
    [
        {"siblings": 5},
        {"siblings": [5]},
        {"siblings": [{}]},
        {"siblings": [{"rfilename": "config.json", "size": -1, "blobId": "a" * 40}]},
        {"siblings": [{"rfilename": "config.json", "lfs": {"size": 1}}]},
        {"sha": None},
        {"sha": ["a"]},
        {"gated": "perhaps"},
        {"lastModified": "soon"},
    ],
)
def test_a_listing_of_another_shape_is_one_typed_sentence(hub, tmp_path, monkeypatch, told):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "config.json").write_text("{}")
    hub.add("some/model", tmp_path / "made")
    true = Repository.info
    monkeypatch.setattr(Repository, "info", lambda self, commit, blobs: true(self, commit, blobs) | told)
    for ask in (look, fetch):
        with pytest.raises(GarbledAnswerError, match="does not answer like a model hub"):
            ask(Wanted("some/model", ("*.json",)))
