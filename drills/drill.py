"""What a drill is."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from drills.stack import FOLDER, Stack

Fault = Callable[[Stack], AbstractContextManager[None]]
"""Is there within the block, and undone after it, whatever happens in it."""

MEASURED = FOLDER / "docs" / "drills.json"
"""What each drill took when all of them were done last, for docs/drills.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A fault, and how it must show.

    Attributes:
        name: What it is called by.
        what: What happens, in a sentence.
        fault: What makes it happen.
        seen: PromQL that finds series while it happens, and none before.
        alert: What must fire, and nothing else; none for what must alarm nobody.
        panel: Dashboard and title of the panel to look at.
        section: Of the runbook, where no alert has one.
        lines: Command that shows the log lines behind it, the fault being there; none where there are none.
        servers: How many must serve before it begins.
    """

    name: str
    what: str
    fault: Fault
    seen: str
    alert: str | None
    panel: tuple[str, str]
    section: str = ""
    lines: str | None
    servers: int = 1

    @property
    def page(self) -> str:
        """The section of the runbook that says what to do."""
        return self.alert or self.section
