"""What is said of pip-audit's reports; nobody is asked here."""

import json
import runpy

import pytest

from core.paths import PROGRAM_FOLDER

told = runpy.run_path(str(PROGRAM_FOLDER / "scripts" / "packages" / "audit.py"))["told"]


def report(*packages):
    return json.dumps({"dependencies": list(packages), "fixes": []})


GOOD = {"name": "good", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "local", "skip_reason": "not on the index"}


@pytest.mark.parametrize(
    ("output", "code", "says"),
    [
        (report(GOOD), 0, "1 pinned packages checked, 0 with known"),
        (report(GOOD, BAD), 1, "bad 2.0: CVE-1, fixed in 2.1"),
        (report(GOOD, UNKNOWN), 0, "Not checked: local."),
        (report(UNKNOWN), 2, "0 pinned packages checked"),
        ("", 2, "Not checked: pip-audit could not ask"),
        ("Traceback", 2, "ConnectionError"),
        ("[]", 2, "Not checked"),
    ],
)
def test_a_report_and_no_report_are_told_apart(output, code, says):
    found, text = told(output, "WARNING: x\nConnectionError: no route")
    assert found == code and says in text
