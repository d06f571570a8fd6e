"""Files that are there whole or not at all, and what cannot be read is put aside."""

import ast
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core import kept_files
from core.kept_files import put_aside, put_in_place, write_to, write_whole

ROOT = Path(kept_files.__file__).parent.parent


def test_a_file_is_written_by_text_bytes_or_a_function(tmp_path):
    path = tmp_path / "a"
    for content, expected in (("é\n", "é\n".encode()), (b"\0", b"\0"), (lambda to: to.write_text("made"), b"made")):
        write_whole(path, content)
        assert path.read_bytes() == expected and list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "a"
    write_whole(path, "old")

    def fails(beside):
        beside.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, fails)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_bytes_are_settled_before_the_name_is(tmp_path, monkeypatch):
    """A power cut after the rename and before the bytes would leave a file of zeros under the good name."""
    order, settle, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("settled"), settle(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *places: (order.append("in place"), replace(*places))[1])
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "one").write_text("1")
    (folder / "two").write_text("2")
    put_in_place(folder, tmp_path / "there")
    assert order == ["settled", "settled", "in place", "settled"]  # the last is the name in its folder
    assert (tmp_path / "there" / "two").read_text() == "2"


def test_what_is_put_aside_is_kept_under_the_time(tmp_path):
    for text in ("first", "second"):
        (tmp_path / "a.json").write_text(text)
        put_aside(tmp_path / "a.json")
    asides = sorted(tmp_path.iterdir())
    assert [aside.read_text() for aside in asides] == ["first", "second"]
    assert all(aside.name.startswith("a.json.aside-2") and aside.name.endswith("Z") for aside in asides)


def test_nothing_is_put_in_place_in_another_way():
    """Renames that keep nothing, of folders that step aside for a moment, are named here."""
    allowed = {
        "cache/store/damage.py", "core/kept_files.py", "core/models/gguf_folder.py", "core/training/train.py",
    }  # fmt: skip
    found = set()
    for folder in ("core", "cache", "pages"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    if len(node.args) == 1 and isinstance(node.args[0], ast.Constant):
                        continue  # a column's new name
                    moves = node.func.attr == "rename" and len(node.args) == 1 and not node.keywords
                    replaces = node.func.attr == "replace" and len(node.args) == 1 and not node.keywords
                    os_replace = ast.unparse(node.func) in ("os.replace", "os.rename", "shutil.move")
                    if moves or replaces or os_replace:
                        found.add(path.relative_to(ROOT).as_posix())
    assert {path for path in found if "pages/" not in path} <= allowed


def test_a_link_stays_and_what_it_leads_to_is_written_with_its_rights(tmp_path):
    (tmp_path / "folder").mkdir()
    there, link, hanging = tmp_path / "folder" / "there", tmp_path / "link", tmp_path / "hanging"
    there.write_text("old")
    there.chmod(0o600)
    link.symlink_to("folder/there")
    hanging.symlink_to("folder/new")
    write_to(link, "néw")
    write_to(hanging, b"new")
    assert link.is_symlink() and there.read_text(encoding="utf-8") == "néw" and there.stat().st_mode & 0o777 == 0o600
    assert hanging.is_symlink() and (tmp_path / "folder" / "new").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "hanging", "link", "new", "there"]


def test_a_pipe_is_written_into_and_stays(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write_to(pipe, "a table\n")
    reader.join(10)
    assert found == [b"a table\n"] and pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_a_file_that_is_printed_into_keeps_what_stands_there(tmp_path):
    """As with `--out /dev/stdout >file`: a new file in its place would lose what is printed later."""
    code = """
import sys
from pathlib import Path
from core.kept_files import write_to
print("before")
write_to(Path(sys.argv[1]), "table\\n")
print("after")
"""
    printed = tmp_path / "printed"
    with printed.open("w") as file:
        subprocess.run([sys.executable, "-c", code, str(printed)], stdout=file, check=True, cwd=ROOT)
    assert printed.read_text() == "before\ntable\nafter\n"


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    """As on a full disk: the process may write no file of more than 100 bytes."""
    code = """
import resource, signal, sys
from pathlib import Path
from core.kept_files import write_to
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_to(Path(sys.argv[1]), "x" * 1000)
except OSError as error:
    sys.exit(error.errno and 5)
"""
    old = tmp_path / "old.csv"
    old.write_text("old")
    ended = subprocess.run(
        [sys.executable, "-c", code, str(old)], cwd=ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert ended.returncode == 5 and old.read_text() == "old" and list(tmp_path.iterdir()) == [old]
