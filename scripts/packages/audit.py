"""Known vulnerabilities of the pinned packages, as pip-audit finds them; or, plainly, that it could not be asked.

    make audit-packages          ends with 0: none; 1: some; 2: nobody could be asked, which says nothing

pip-audit lives in an environment of its own (.venv/audit), because the program does not need it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ("requirements.txt", "requirements-dev.txt")


def asked(files: tuple[str, ...] = FILES) -> tuple[str, str]:
    """What pip-audit prints of the pinned packages: (standard output, standard error)."""
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json"]
    command += [word for file in files for word in ("-r", file)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return found.stdout, found.stderr


def told(output: str, errors: str) -> tuple[int, str]:
    """(exit code, what to print) for what pip-audit printed. It ends with 1 for findings and for a network alike, so
    only a report counts as an answer."""
    try:
        packages = json.loads(output)["dependencies"]
        skipped = [one["name"] for one in packages if "skip_reason" in one]
        lines = [
            f"{one['name']} {one['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
            for one in packages
            for flaw in one.get("vulns", ())
        ]
    except (ValueError, KeyError, TypeError):
        why = (errors.strip().splitlines() or ["no reason given"])[-1][:200]
        return (
            2,
            f"Not checked: pip-audit could not ask for known vulnerabilities ({why}). This says nothing about the packages.",
        )
    if skipped:
        lines.append(f"Not checked: {', '.join(skipped)}.")
    checked = len(packages) - len(skipped)
    lines.append(
        f"{checked} pinned packages checked, {sum(bool(one.get('vulns')) for one in packages)} with known vulnerabilities."
    )
    return (1 if any(one.get("vulns") for one in packages) else 2 if not checked else 0), "\n".join(lines)


if __name__ == "__main__":
    code, text = told(*asked())
    print(text)
    sys.exit(code)
