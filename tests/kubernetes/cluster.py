"""A cluster, asked and told by its kubectl."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from socketscope.version import __version__

MANIFESTS = Path(__file__).parents[2] / "deploy" / "kubernetes"
COMMAND = shlex.split(os.environ.get("KUBECTL", ""))
CLIENT_IMAGE = f"socketscope-client:{__version__}"
SERVERS = "app.kubernetes.io/name=server"

Ended = subprocess.CompletedProcess[str]


def kubectl(*arguments: str, text: str = "", check: bool = True, seconds: float = 120) -> Ended:
    """Run a command, given a text as its standard input."""
    ended = subprocess.run(
        [*COMMAND, *arguments], input=text, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert not check or ended.returncode == 0, f"{' '.join(arguments)}: {ended.stderr}"
    return ended


def manifests(of: Path, at: Path, **fields: Any) -> str:
    """Return what Kustomize makes of a folder of manifests.

    Args:
        of: The folder.
        at: Another one, where fields are added: what somebody makes of it who has a cluster of their own.
        fields: Of that kustomization.
    """
    at.mkdir(exist_ok=True)
    made = {"resources": [os.path.relpath(of, at)], **fields}
    (at / "kustomization.yaml").write_text(json.dumps(made))
    return kubectl("kustomize", str(at)).stdout


class Namespace:
    """A namespace of the cluster, and what is in it.

    Attributes:
        name: Its name.
        folder: Where files about it can lie.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    def kubectl(self, *arguments: str, **options: Any) -> Ended:
        """Run a command in the namespace."""
        return kubectl("--namespace", self.name, *arguments, **options)

    def get(self, *arguments: str) -> Any:
        """Return objects as the cluster has them."""
        return json.loads(self.kubectl("get", *arguments, "--output=json").stdout)

    def make(self, of: Path, **fields: Any) -> str:
        """Return a folder's manifests for this namespace."""
        return manifests(of, self.folder / of.name, namespace=self.name, **fields)

    def apply(self, text: str, *options: str) -> str:
        """Have the cluster be as manifests say, and return what it says to that."""
        applied = self.kubectl("apply", *options, "--filename=-", text=text)
        return applied.stdout + applied.stderr

    def settled(self, deployment: str = "server", seconds: float = 180) -> None:
        """Wait until a Deployment is as it was told to be."""
        self.kubectl(
            "rollout", "status", f"deployment/{deployment}", f"--timeout={seconds}s", seconds=seconds + 30
        )

    def roll(self, deployment: str = "server") -> None:
        """Replace all pods of a Deployment, one after the other."""
        self.kubectl("rollout", "restart", f"deployment/{deployment}")
        self.settled(deployment)

    def pods(self, selector: str = SERVERS) -> list[Any]:
        """Return the pods that are not about to go."""
        found: list[Any] = self.get("pods", f"--selector={selector}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def available(self) -> int:
        """Return how many servers serve."""
        return int(self.get("deployment", "server")["status"].get("availableReplicas", 0))

    def has(self, replicas: int) -> bool:
        """Whether there are so many servers, and each of them serves."""
        return self.available() == replicas == len(self.pods())
