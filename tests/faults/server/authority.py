"""An authority of certificates, made with openssl for one test."""

import os
import subprocess
from pathlib import Path

EXTENSIONS = {
    "ca": ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"),
    "server": ("basicConstraints=critical,CA:FALSE", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
    "client": ("basicConstraints=critical,CA:FALSE",),
}


class Authority:
    """Issues certificates, each with its key in a file beside it."""

    def __init__(self, folder: Path, name: str = "ca", parent: "Authority | None" = None) -> None:
        self.folder = folder
        self.parent = parent
        self.cert, self.key = self._make(name, "ca", parent)

    def issue(self, name: str, kind: str = "server", days: int = 2) -> tuple[Path, Path]:
        """Return the files of a certificate and its chain, and of its key."""
        cert, key = self._make(name, kind, self, days)
        if self.parent is not None:
            cert.write_bytes(cert.read_bytes() + self.cert.read_bytes())
        return cert, key

    def _make(self, name: str, kind: str, by: "Authority | None", days: int = 2) -> tuple[Path, Path]:
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        signed = [] if by is None else ["-CA", str(by.cert), "-CAkey", str(by.key)]
        extensions = [word for each in EXTENSIONS[kind] for word in ("-addext", each)]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", str(days), "-subj", f"/CN={name}", *signed, *extensions,
             "-keyout", str(key), "-out", str(cert)],
            check=True, capture_output=True,
        )  # fmt: skip
        return cert, key


def put(pair: tuple[Path, Path], place: tuple[Path, Path]) -> None:
    """Have files that a server reads hold others, each from one moment to the next."""
    for new, old in zip(pair, place, strict=True):
        aside = old.with_suffix(".new")
        aside.write_bytes(new.read_bytes())
        os.replace(aside, old)  # noqa: PTH105 - what is told is that it is one step
