"""What a drill is."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from drills.stack import FOLDER, Stack

Fault = Callable[[Stack], AbstractContextManager[None]]
"""Makes the fault for the time of the block, and undoes it at the end, whatever happens in between."""

MEASURED = FOLDER / "docs" / "drills.json"
"""How long each drill took in the last run of all of them, for docs/drills.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A fault, and how it must show.

    Attributes:
        what: What happens, in a sentence.
        seen: PromQL that finds series during the fault, and none before it.
        alert: The only alert that must fire; None where nobody must be alarmed.
        panel: Dashboard and title of the panel to look at.
        section: The runbook's section for a drill without an alert.
        lines: Command that shows the log lines of the fault while it lasts; None where there are none.
        servers: How many must run before it begins.
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
    def anchor(self) -> str:
        """The anchor of the runbook's section that says what to do."""
        return (self.alert or self.section).lower().replace(" ", "-")
