"""Installed from a wheel, the command works from an empty folder; what is beside the code agrees with it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

import core
from core.models.added import AddedModel, keep
from core.paths import PROGRAM_FOLDER

PROMPT = "How do I bake bread?"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built as pip would, without a network: the build backend is among the development requirements."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROGRAM_FOLDER, check=True, capture_output=True, timeout=240)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder that holds nothing but the installed wheel."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    command += ["--no-index", "--no-compile", "--target", str(target), str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return target


def hydrascope(installed, cwd, cache, *words):
    """The installed command, in a folder of its own, without the checkout in reach."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(installed), "HYDRASCOPE_CACHE": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(installed / "bin" / "hydrascope"), *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)


def test_the_wheel_holds_all_that_is_needed_and_nothing_that_is_made(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    assert {name.partition("/")[0] for name in names} == {
        "hydrascope",
        "hydrascope.pth",
        f"hydrascope-{core.__version__}.dist-info",
    }
    tracked = subprocess.run(["git", "ls-files"], cwd=PROGRAM_FOLDER, capture_output=True, text=True, check=True)
    shipped = ("app.py", "core/", "cache/", "pages/", "assets/", ".streamlit/")
    missing = {f"hydrascope/{name}" for name in tracked.stdout.splitlines() if name.startswith(shipped)} - names
    assert not missing
    assert not [name for name in names if name.startswith("hydrascope/cache/files") or "__pycache__" in name]


def test_the_wheel_asks_for_the_pinned_requirements(wheel):
    with zipfile.ZipFile(wheel) as file:
        text = file.read(f"hydrascope-{core.__version__}.dist-info/METADATA").decode()
    asked = {name.replace("_", "-") for name in re.findall(r"^Requires-Dist: (\S+)$", text, flags=re.MULTILINE)}
    lines = (PROGRAM_FOLDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert asked == {line.replace("_", "-") for line in lines if line and not line.startswith("#")}


def test_the_installed_command_audits_from_an_empty_folder(installed, tiny_spec, tmp_path, monkeypatch):
    empty, cache = tmp_path / "empty", tmp_path / "cache"
    empty.mkdir()
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(cache))
    keep(AddedModel("tiny", tiny_spec.model_id, tiny_spec.refusal_tokens, tiny_spec.saes))
    done = hydrascope(installed, empty, cache, "audit", PROMPT, "--model", "tiny", "--tokens", "4", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["model"] == "tiny" and found["prompt"] == PROMPT and found["sae_layers"] == [1, 2, 3]
    assert len(found["results"]) == 1 and len(found["results"][0]["cosine"]) >= 1
    assert not list(empty.iterdir()), "nothing is written where the command is called"


def test_installed_the_cache_is_the_users_and_the_assets_are_found(installed, tmp_path):
    code = (
        "import hydrascope; from core import paths, settings;"
        "from core.models.registry import find_spec;"
        "spec = find_spec('demo');"
        "assert spec.layers and spec.direction.is_file() and spec.labels.is_file();"
        "print(paths.PROGRAM_FOLDER, paths.cache_folder(), sep='\\n')"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HYDRASCOPE_CACHE"}
    environment |= {"PYTHONPATH": str(installed), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "kept")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    program, cache = map(Path, done.stdout.splitlines())
    assert program == installed / "hydrascope"
    assert cache.is_relative_to(tmp_path) and cache.name == "hydrascope"


def test_the_citation_is_of_this_version():
    text = (PROGRAM_FOLDER / "CITATION.cff").read_text(encoding="utf-8")
    assert (
        "cff-version: 1.2.0" in text and f"version: {core.__version__}\n" in text and "arxiv.org/abs/2509.09708" in text
    )


def test_the_changelog_has_a_part_for_this_version():
    text = (PROGRAM_FOLDER / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{core.__version__.partition('.dev')[0]}] - " in text


def test_the_dockerfile_copies_what_there_is_and_no_weights_and_runs_as_a_user():
    text = (PROGRAM_FOLDER / "Dockerfile").read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", text, flags=re.MULTILINE) for name in line.split()]
    assert {"core", "cache", "pages", "assets", ".streamlit", "app.py", "requirements.txt"} <= set(copied)
    assert not [name for name in copied if not (PROGRAM_FOLDER / name).exists()]
    assert "cache/files" in (PROGRAM_FOLDER / ".dockerignore").read_text(encoding="utf-8").split()
    assert text.index("USER hydrascope") < text.index("CMD [") and "EXPOSE 8501" in text and "HEALTHCHECK" in text
    assert 'CMD ["python", "-m", "core", "run"]' in text
    deploy = (PROGRAM_FOLDER / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert "sdk: docker\napp_port: 8501\n" in deploy and "Nobody has run the Dockerfile yet" in deploy


def test_the_installed_pages_answer_on_this_machine_only_from_an_empty_folder(installed, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_")}
    environment |= {"PYTHONPATH": str(installed), "HYDRASCOPE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, str(installed / "bin" / "hydrascope"), "run", "--server.port", str(port)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            answer = until_it_answers(f"http://127.0.0.1:{port}/_stcore/health", server)
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
            other = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": "evil.example"})
            with pytest.raises(urllib.error.HTTPError, match="421"):
                urllib.request.urlopen(other, timeout=5)
        finally:
            server.send_signal(signal.SIGINT)
            printed, _ = server.communicate(timeout=60)
    assert answer == "ok" and server.returncode == 0 and "leaked" not in printed and "terminate" not in printed
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert f"http://127.0.0.1:{port}" in printed and "Network URL" not in printed and "External URL" not in printed


def until_it_answers(address, server):
    """What the address answers, once it does. Fails when the server ends, or after a minute."""
    for _ in range(600):
        assert server.poll() is None, "the server has ended"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.1)
    raise AssertionError("no answer within a minute")
