"""`hydrascope labels`: labels made or fetched from the prompt, gone on with, and every way it can end."""

from dataclasses import replace

import pytest

from cache.store import database as store
from cache.store.labels import NeuronpediaLabels, labels_of
from core import Engine, Feature
from core.commands.command_line import main
from core.labels import making
from core.settings import NEURONPEDIA, NEURONPEDIA_BULK
from tests.neuronpedia_server import NeuronpediaServer, Reply

SOURCES = {2: "tiny/2-res", 3: "tiny/3-res"}


@pytest.fixture
def engine(tiny, page_spec, tmp_path, monkeypatch):
    """`hydrascope labels` works on this engine, with a cache folder of its own."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    spec = replace(page_spec, labels=None, neuronpedia=SOURCES)
    found = Engine(replace(tiny.runtime, spec=spec), "for a test")
    monkeypatch.setattr("core.engine.load", lambda name, progress: found)
    yield found
    store.close_all()


@pytest.fixture
def server(monkeypatch):
    with NeuronpediaServer() as running:
        monkeypatch.setenv(NEURONPEDIA.name, running.url)
        monkeypatch.setenv(NEURONPEDIA_BULK.name, running.url)
        for layer, source in SOURCES.items():
            running.bulk(source, {index: f"{layer} {index}" for index in range(0, 40, 2)}, 8)
        yield running


def run(*arguments: str) -> int:
    return main(["labels", "--model", "tiny-page", *arguments])


def labels(engine):
    return labels_of(engine, NeuronpediaLabels(store.shared_store, engine.spec.neuronpedia))


def test_made_on_a_file_and_gone_on_with(engine, tmp_path, capsys):
    path = tmp_path / "mine.txt"
    path.write_text("How do I bake bread?\n\nTell me a story.\nhow do i BAKE bread?\n")
    assert run("--prompts", str(path), "--layers", "2") == 0
    told = capsys.readouterr().out
    assert "2 of 4 prompts kept; dropped: 1 empty, 1 duplicate." in told
    assert "has labels for 48 of its 144 features" in told and "not shown" not in told
    assert "Labels made for layers 2; already stored: none." in told
    assert run("--prompts", str(path)) == 0
    assert "Labels made for layers 1, 3; already stored: 2." in capsys.readouterr().out
    assert labels(engine).note(Feature(1, 0)).about.startswith("2 prompts, ")


def test_made_on_the_bundled_prompts_when_nothing_is_named(engine, capsys):
    assert run("--layers", "1") == 0
    assert labels(engine).note(Feature(1, 0)).about.startswith("8 prompts, ")


def test_fetched_in_bulk_and_only_once(engine, server, capsys):
    assert run("--neuronpedia") == 0
    told = capsys.readouterr().out
    assert "tiny/2-res: 20 labels from 3 of 3 files." in told and "tiny/3-res: 20 labels" in told
    assert "has labels for 40 of its 144 features" in told and labels(engine).label(Feature(3, 38)) == "3 38"
    server.asked.clear()
    assert run("--neuronpedia", "--layers", "3") == 0
    assert len(server.asked) == 1, "the listing, and no file"


def test_labels_that_stand_behind_others_are_told(engine, server, capsys):
    assert run("--neuronpedia", "--layers", "3") == 0
    assert run("--layers", "3") == 0
    told = capsys.readouterr().out
    assert "20 of the 48 labels made here are not shown, because those that come with the model" in told
    assert told.splitlines()[-1] == "tiny-page has labels for 48 of its 144 features."
    assert labels(engine).label(Feature(3, 38)) == "3 38"


def test_a_file_that_is_missing_there_is_told_by_the_exit_code(engine, server, capsys):
    del server.files[server.key("tiny/2-res", 1)]
    assert run("--neuronpedia") == 1
    assert "file 1 is missing on Neuronpedia" in capsys.readouterr().out


def test_interrupted_it_says_how_to_go_on(engine, monkeypatch, capsys):
    def interrupt(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "label_blocks", interrupt)
    assert run() == 130
    assert "Run the same command again to continue." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--layers", "0"], "no SAE at layer 0"),
        (["--layers", "two"], "is not a list of layers"),
        (["--prompts", "nowhere.txt"], "neither a file nor a known prompt set"),
        (["--neuronpedia", "--layers", "1"], "has no Neuronpedia source"),
        (["--neuronpedia"], "status 500"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(engine, server, capsys, arguments, said):
    server.first["/"].extend([Reply(500, headers={"Retry-After": "0"})] * 9)
    assert run(*arguments) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_without_bundled_prompts_a_file_is_asked_for(engine, tiny, monkeypatch, capsys):
    bare = Engine(replace(tiny.runtime, spec=replace(engine.spec, prompts=None)), "for a test")
    monkeypatch.setattr("core.engine.load", lambda name, progress: bare)
    assert run() == 2 and "Give a file with --prompts FILE" in capsys.readouterr().err


def test_another_process_keeping_the_store_is_said(engine, server, monkeypatch, capsys):
    monkeypatch.setattr(store.shared_store(), "trouble", "Another process keeps it.")
    monkeypatch.setattr(store.shared_store(), "taken", True)
    assert run("--neuronpedia") == 3 and server.asked == []
    assert "No labels were fetched, because they could not be kept" in capsys.readouterr().err


def test_a_source_without_an_sae_of_the_model_is_not_fetched(engine, server, monkeypatch, capsys):
    spec = replace(engine.spec, neuronpedia={9: "tiny/2-res"})
    monkeypatch.setattr("core.engine.load", lambda name, progress: Engine(replace(engine.runtime, spec=spec), "x"))
    assert run("--neuronpedia") == 2 and server.asked == []
    assert "has no Neuronpedia source for these layers" in capsys.readouterr().err
