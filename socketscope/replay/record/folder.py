"""The folder that recorded conversations are written to: a script for each distinct one."""

from dataclasses import dataclass
from pathlib import Path

from socketscope.replay.record.tape import Conversation
from socketscope.replay.script.parser import print_transcript


@dataclass(slots=True)
class _Script:
    path: Path
    conversation: Conversation


class Folder:
    """Writes conversations; those that differ in what varies alone are one script.

    Scripts that were there before are left as they are.

    Attributes:
        path: Where it is.
        written: How many scripts were written to it.
    """

    def __init__(self, path: Path, heading: str) -> None:
        """Make the folder, where there is none.

        Args:
            path: Where.
            heading: A comment for the first line of each script.

        Raises:
            OSError: It cannot be made, or written to.
        """
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".probe"
        probe.touch()
        probe.unlink()
        self.path = path
        self._heading = heading
        self._scripts: dict[tuple[object, ...], _Script] = {}
        self._number = 0

    @property
    def written(self) -> int:
        """How many scripts were written."""
        return len(self._scripts)

    def add(self, conversation: Conversation) -> Path | None:
        """Write a conversation; return its script if it is the first of its kind.

        Raises:
            OSError: It cannot be written.
        """
        known = self._scripts.get(conversation.outline)
        if known is None:
            known = self._scripts[conversation.outline] = _Script(self._free_path(), conversation)
            self._write(known)
            return known.path
        merged = known.conversation.merged(conversation)
        if merged != known.conversation:
            known.conversation = merged
            self._write(known)
        return None

    def _free_path(self) -> Path:
        while True:
            self._number += 1
            path = self.path / f"{self._number:03}.talk"
            if not path.exists():
                return path

    def _write(self, script: _Script) -> None:
        text = print_transcript(script.conversation.script(script.path.name))
        script.path.write_text(f"# {self._heading}\n{text}", encoding="utf-8")
