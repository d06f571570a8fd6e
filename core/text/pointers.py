"""Files that only point at the real one, as Git LFS leaves them in a clone that fetched no large files.

Knows: the first line of such a pointer. Does not know: who wanted to read the file.
"""

from __future__ import annotations

#: How a pointer begins, as Git LFS specifies it; the second is what its first releases wrote.
_BEGINNINGS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")


def is_pointer(beginning: bytes) -> bool:
    """Whether a file that begins like this is a Git LFS pointer."""
    return beginning.startswith(_BEGINNINGS)


def pointer_sentence(name: str) -> str:
    """What to say of it."""
    return (
        f"{name} is a Git LFS pointer and not the file itself. Fetch the file with `git lfs pull` in its folder, or "
        "download it again."
    )
