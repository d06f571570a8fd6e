"""The list of one's own models: kept whole, by several processes, and never written over when it is damaged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from core import AssetError, InputError, UnknownModelError, kept_files
from core.models import added, registry
from core.models.added import AddedModel
from core.paths import PROGRAM_FOLDER, assets_folder, cache_folder
from core.saes.published import SaeRef

MINE = AddedModel(
    "mine",
    "owner/model",
    (40, 41),
    {3: SaeRef("release", "l3"), 12: Path("saes/layer_12").resolve()},
    {3: "m/3-r"},
    "v1",
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    return tmp_path


def other(**changes):
    return AddedModel(**{**vars(MINE), **changes})


def test_what_is_kept_is_found_again_as_it_was(home):
    added.keep(MINE)
    assert added.added_models() == {"mine": MINE} and added.added_models()["mine"].saes == MINE.saes
    assert added.list_trouble() == ""
    written = json.loads((home / "own_models.json").read_text())
    assert written["format"] == 1 and written["models"]["mine"]["saes"]["3"] == {"release": "release", "sae_id": "l3"}
    assert [path.name for path in home.iterdir() if ".tmp" in path.name] == []


def test_the_registry_knows_it_as_a_spec(home):
    added.keep(MINE)
    names = registry.model_names()
    assert names[0] == "demo" and names.index("mine") < names.index("gemma-2-2b-it")
    spec = registry.find_spec("mine")
    assert (spec.name, spec.model_id, spec.revision, spec.refusal_tokens) == ("mine", "owner/model", "v1", (40, 41))
    assert spec.saes == MINE.saes and spec.layers == (3, 12) and spec.neuronpedia == {3: "m/3-r"}
    assert spec.prompts == assets_folder() / "demo" / "prompts.csv" and spec.steering_layer is None
    assert registry.find_spec("mine") == spec, "two looks at the list are one spec: the resident engine stays"


def test_another_process_finds_it():
    added.keep(MINE)
    code = "from core.models.registry import find_spec; print(find_spec('mine').model_id)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROGRAM_FOLDER, capture_output=True, text=True, timeout=120)
    assert done.stdout == "owner/model\n", done.stderr


def test_processes_that_add_at_once_lose_nothing():
    code = (
        "import sys; from core.models.added import *\n"
        "for n in range(5): keep(AddedModel(f'{sys.argv[1]}{n}', 'a/b', (1,), {}))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, name], cwd=PROGRAM_FOLDER) for name in "ab"]
    assert [one.wait(120) for one in both] == [0, 0]
    assert sorted(added.added_models()) == [f"{name}{n}" for name in "ab" for n in range(5)]


def test_removed_it_is_gone_and_its_name_is_for_the_same_model_only():
    registry.remember(MINE)
    registry.register(registry.find_spec("mine"))  # as when it was chosen in this process
    registry.forget("mine")
    assert "mine" not in registry.model_names()
    with pytest.raises(UnknownModelError, match="“mine”"):
        registry.find_spec("mine")
    for changed in (
        other(model_id="owner/another"),
        other(revision=None),
        other(refusal_tokens=(40,)),
        other(saes=MINE.saes | {3: SaeRef("release", "other")}),
    ):
        with pytest.raises(InputError, match=r"results are kept under that name\. Choose another name"):
            registry.remember(changed)
    registry.remember(other(saes={3: MINE.saes[3]}))
    assert registry.find_spec("mine").layers == (3,)


def test_what_is_not_there_cannot_be_removed():
    with pytest.raises(UnknownModelError, match="no model called “mine”; your list is empty"):
        added.remove("mine")
    added.keep(MINE)
    with pytest.raises(UnknownModelError, match="yours are: mine"):
        added.remove("demo")


@pytest.mark.parametrize("name", ["demo", "gemma-2-2b-it", "Gemma-2-2B-IT", "mine", "MINE"])
def test_no_name_is_given_twice(name):
    registry.remember(MINE)
    with pytest.raises(InputError, match=r"already a model .*Choose another name"):
        registry.remember(other(name=name))
    assert registry.find_spec("demo").model_id == "demo-base" and list(added.added_models()) == ["mine"]


@pytest.mark.parametrize("name", ["", " ", "a/b", "../a", ".a", "a b", "ä", "x" * 61, "a\n"])
def test_what_cannot_be_a_name(name):
    with pytest.raises(InputError, match="is not a valid model name"):
        registry.remember(other(name=name))


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"format": 1, "models": {"mine": {"model": "a", "revision": null, "refusal_tokens": [Infinity], "saes": {}, '
        b'"neuronpedia": {}, "removed": false}}}',
        b'{"format": 1, "models": []}',
        b'{"format": "1", "models": 3}',
        b'{"format": 1, "models": {"mine": {"model": "a/b"}}}',
        b'{"format": 1, "models": {"mine": {"model": 7, "revision": null, "refusal_tokens": [1], "saes": {}, '
        b'"neuronpedia": {}, "removed": false}}}',
    ],
)
def test_a_damaged_list_is_put_aside_and_told(home, damage):
    (home / "own_models.json").write_bytes(damage)
    assert added.added_models() == {} and registry.find_spec("demo").name == "demo"
    (aside,) = home.glob("own_models.json.aside-*")
    assert aside.read_bytes() == damage and not (home / "own_models.json").exists()
    assert str(aside) in added.list_trouble() and "Repair it" in added.list_trouble()
    with pytest.raises(UnknownModelError, match=r"was damaged and was renamed to"):
        registry.find_spec("mine")
    added.keep(MINE)
    assert aside.read_bytes() == damage and list(added.added_models()) == ["mine"]
    aside.unlink()
    assert added.list_trouble() == ""


def test_a_mended_list_is_read_again(home):
    added.keep(MINE)
    whole = (home / "own_models.json").read_text()
    (home / "own_models.json").write_text(whole[:-5])
    assert added.added_models() == {}
    (aside,) = home.glob("own_models.json.aside-*")
    aside.write_text(whole)
    aside.rename(home / "own_models.json")
    assert added.added_models() == {"mine": MINE} and added.list_trouble() == ""


def test_a_newer_list_is_left_alone_and_told(home):
    text = '{"format": 2, "models": {"mine": {"anything": "else"}}}'
    (home / "own_models.json").write_text(text)
    assert added.added_models() == {} and "newer version" in added.list_trouble()
    with pytest.raises(AssetError, match=r"newer version of Hydrascope\. Update Hydrascope"):
        added.keep(MINE)
    assert (home / "own_models.json").read_text() == text and len(list(home.glob("own_models*.json"))) == 1


def test_a_folder_that_cannot_be_written_is_a_sentence(home, monkeypatch):
    (home / "file").write_text("")
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(home / "file"))
    with pytest.raises(AssetError, match=r"cannot be (written|read)"):
        added.keep(MINE)


def test_another_process_that_holds_the_list_is_a_sentence(home, monkeypatch):
    monkeypatch.setattr(added, "LOCK_SECONDS", 0.1)
    with FileLock(str(cache_folder() / "own_models.json.lock")), pytest.raises(AssetError, match="another process"):
        added.keep(MINE)


def test_a_write_that_fails_leaves_the_old_list(home, monkeypatch):
    added.keep(MINE)

    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_files.os, "replace", full)
    with pytest.raises(AssetError, match="No space left"):
        added.keep(other(name="second"))
    assert list(added.added_models()) == ["mine"] and not list(home.glob("*.tmp"))
