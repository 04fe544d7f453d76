"""The variables of a pass, and which of their values nobody is to read. No I/O."""

import re
from collections.abc import Iterable, Mapping


class Context(dict[str, str]):
    """Variables of a pass, by name. The values of those from the environment are secret.

    What functions make of a secret is secret, too: who has its base64 has it.
    """

    __slots__ = ("_derived",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        super().__init__(values or {})
        self._derived: dict[str, str] | None = None

    @property
    def secrets(self) -> dict[bytes, str]:
        """What stands for each secret value in a script."""
        found = {
            value.encode("utf-8", "surrogateescape"): f"${{{name}}}"
            for name, value in self.items()
            if value and name.startswith("env:")
        }
        for value, shown in (self._derived or {}).items():
            found.setdefault(value.encode(), shown)
        return found

    def derive(self, shown: str, value: str, arguments: Iterable[bytes]) -> None:
        """Take note of what a function made, in case an argument of it holds a secret."""
        if any(secret in argument for argument in arguments for secret in self.secrets):
            self._derived = {**(self._derived or {}), value: shown}


def parted(data: bytes, secrets: Mapping[bytes, str]) -> Iterable[tuple[bytes, str]]:
    """Yield what stands between secrets, each with what stands in a script for the secret behind it."""
    if not secrets:
        yield data, ""
        return
    # The longest first, as one may hold another.
    found = re.compile(b"|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True)))
    position = 0
    for match in found.finditer(data):
        yield data[position : match.start()], secrets[match[0]]
        position = match.end()
    yield data[position:], ""
