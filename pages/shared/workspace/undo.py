"""Undo and redo: the workspaces before and after the present one.

Pure. Knows: workspaces as values, and that settings are no step: they stay what they are through Undo and Redo.
Does not know: sessions, addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pages.shared.workspace.state import Workspace

#: Steps that can be undone.
MOST_STEPS = 100


@dataclass(frozen=True)
class History:
    """present, with the workspaces that were before it (oldest first) and those that were undone (next first)."""

    present: Workspace = field(default_factory=Workspace)
    past: tuple[Workspace, ...] = ()
    undone: tuple[Workspace, ...] = ()

    def change(self, to: Workspace) -> History:
        """One step on; what was undone is gone. Where nothing but settings changed, there is no step to undo."""
        if replace(to, settings=self.present.settings) == self.present:
            return replace(self, present=to)
        return History(to, (*self.past, self.present)[-MOST_STEPS:], ())

    def undo(self) -> History:
        """One step back, where there is one."""
        if not self.past:
            return self
        return History(self._settled(self.past[-1]), self.past[:-1], (self.present, *self.undone))

    def redo(self) -> History:
        """One undone step on again, where there is one."""
        if not self.undone:
            return self
        return History(self._settled(self.undone[0]), (*self.past, self.present), self.undone[1:])

    def _settled(self, workspace: Workspace) -> Workspace:
        return replace(workspace, settings=self.present.settings)
