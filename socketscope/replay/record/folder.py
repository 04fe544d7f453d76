"""The folder that recorded conversations are written to, one script for each distinct one."""

import tempfile
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from socketscope.excerpt import escaped
from socketscope.replay.record.conversation import Conversation, Said
from socketscope.replay.record.lines import ReplyLine
from socketscope.replay.record.transcript import transcript


@dataclass(slots=True)
class _Script:
    path: Path
    conversation: Conversation
    greeting: "_Greeting | None" = None


@dataclass(slots=True, eq=False)
class _Greeting:
    """What the server says first; its lines have the same patterns in all scripts with this greeting."""

    lines: tuple[ReplyLine, ...]

    def of(self, conversation: Conversation) -> Conversation | None:
        """Return a conversation with these lines as its greeting; None if it has another."""
        size = len(self.lines)
        greeting = conversation.greeting
        # A client that does not wait for the greeting gets it after it has said something.
        if len(conversation.lines) < size or len(greeting) not in {0, size}:
            return None
        # Clients give back different parts of a greeting, so each script keeps its own groups.
        own = conversation.lines[:size]
        lines = [one.merged(two.unnamed()) for one, two in zip(self.lines, own, strict=True)]
        if None in lines:
            return None
        named = (line.with_groups_of(two) for line, two in zip(filter(None, lines), own, strict=True))
        return replace(conversation, lines=(*named, *conversation.lines[size:]))


class Folder:
    """Writes conversations; those that differ only in what varies become one script.

    Scripts that were in the folder before are left as they are.
    """

    def __init__(self, path: Path, heading: str, *, with_pauses: bool = False) -> None:
        """Make the folder, if there is none.

        Args:
            path: The folder.
            heading: A comment for the first line of each script.
            with_pauses: Whether scripts have the pauses of their first client.

        Raises:
            OSError: It cannot be made, or written to.
        """
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        self._path = path
        self._heading = escaped(heading)
        self._with_pauses = with_pauses
        self._scripts: list[_Script] = []
        self._by_client: dict[Said, list[_Script]] = {}
        self._greetings: list[_Greeting] = []
        self._numbers = count(1)

    @property
    def written(self) -> int:
        """Number of scripts written."""
        return len(self._scripts)

    def add(self, conversation: Conversation) -> Path | None:
        """Write a conversation; return the path of its script if that is new.

        Raises:
            OSError: It cannot be written.
        """
        known = self._by_client.setdefault(conversation.said, [])
        for script in known:
            if (merged := script.conversation.merged(conversation)) is not None:
                self._revise(script, merged)
                self._greet(script)
                return None
        script = _Script(self._free_path(), conversation)
        self._write(script.path, conversation)
        known.append(script)
        self._scripts.append(script)
        self._greet(script)
        return script.path

    def _greet(self, script: _Script) -> None:
        """Learn how the greeting of a script varies, for all scripts that have it."""
        for greeting in self._greetings:
            if (greeted := greeting.of(script.conversation)) is not None:
                break
        else:
            greeting, greeted = _Greeting(()), script.conversation
            if not greeted.greeting:
                return
            self._greetings.append(greeting)
        script.greeting = greeting
        self._revise(script, greeted)
        learned = tuple(line.unnamed() for line in greeted.greeting)
        if learned == greeting.lines:
            return
        greeting.lines = learned
        for other in self._scripts:
            if (
                other.greeting in (None, greeting)
                and (greeted := greeting.of(other.conversation)) is not None
            ):
                other.greeting = greeting
                self._revise(other, greeted)

    def _revise(self, script: _Script, conversation: Conversation) -> None:
        if conversation != script.conversation:
            self._write(script.path, conversation)
            script.conversation = conversation

    def _free_path(self) -> Path:
        return next(path for n in self._numbers if not (path := self._path / f"{n:03}.talk").exists())

    def _write(self, path: Path, conversation: Conversation) -> None:
        text = transcript(conversation, with_pauses=self._with_pauses)
        try:
            # A full disk must not cost what was written before. This file is readable by its owner only.
            descriptor, name = tempfile.mkstemp(dir=self._path, prefix=".")
            beside = Path(name)
            try:
                with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - it is open already
                    file.write(f"# {self._heading}\n{text}")
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
