"""How faults are made: by clients that misbehave, servers with other handlers, and Docker's own commands."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from drills.drill import Fault
from drills.stack import Stack, StackError

# The containers' own file system is read-only.
_PLAY = 'printf "%s" "$SCRIPT" >/dev/shm/drill.talk && exec python -m client replay /dev/shm/drill.talk "$@"'
_SERVE = "\nfrom server.cli import main\nmain()"


def clients(script: str, options: str, *, scraped: bool = False) -> Fault:
    """Return a fault that is a script played beside the stack's own client, with options of `replay`."""

    def fault(stack: Stack) -> AbstractContextManager[None]:
        # Only one server, addressed by its container's id: what is too much for one is little for three.
        server = (*stack.containers("server", "replica"), "server")[0][:12]
        target = ("--target", f"tcp://{server}:21567", "--forever", *options.split())
        run = ("--env", f"SCRIPT={script}", "--entrypoint", "sh", "client", "-c", _PLAY, "play", *target)
        # Prometheus finds it by the alias, which is the name of the service.
        return _beside(stack, *(["--use-aliases"] if scraped else []), *run)

    return fault


def program(text: str) -> Fault:
    """Return a fault that is a client written in Python, for what no script can do."""
    return lambda stack: _beside(stack, "--entrypoint", "python", "client", "-c", text)


def replica(text: str) -> Fault:
    """Return a fault that is one more server with another handler, which gets its share of the clients.

    Args:
        text: Python that defines a request handler named `Handler`.
    """
    run = ("--use-aliases", "--entrypoint", "python", "server", "-c")
    handler = ("--handler", "__main__:Handler")
    # It gets time to end in order, since its death would be another fault.
    return lambda stack: _beside(stack, *run, text + _SERVE, *handler, grace=30)


@contextmanager
def _beside(stack: Stack, *arguments: str, grace: int = 1) -> Iterator[None]:
    """Run a container of a service's image within the block; at the end it has `grace` seconds to stop."""
    # If another drill of this stack has the name, this fails: only our own container is stopped below.
    name = f"{stack.project}-drill"
    stack.compose("run", "--detach", "--rm", "--no-deps", "--name", name, *arguments)
    try:
        yield
    finally:
        with suppress(StackError):  # it may have ended by itself
            stack.docker("stop", "--time", str(grace), name)


def killed(*services: str, all_of_them: bool = False) -> Fault:
    """Return a fault that kills one container of these services, or all."""

    @contextmanager
    def fault(stack: Stack) -> Iterator[None]:
        running = stack.containers(*services)
        victims = running if all_of_them else running[-1:]
        try:
            stack.docker("kill", *victims)
            yield
        finally:
            stack.docker("start", *victims)

    return fault


@contextmanager
def restarted(stack: Stack) -> Iterator[None]:
    """Restart all servers in order, one after another."""
    going = stack.in_background("docker", "restart", "--time", "30", *stack.containers("server", "replica"))
    try:
        yield
    finally:
        going.wait()


@contextmanager
def parted(stack: Stack) -> Iterator[None]:
    """Move the client to a network without a server; Prometheus is in both."""
    players, (prometheus,) = stack.containers("client"), stack.containers("prometheus")
    network = f"{stack.project}_default"
    # If its name came first in the alphabet, Prometheus' published port would move to it.
    island = f"{network}_drill"
    try:
        stack.docker("network", "create", island)
        stack.docker("network", "connect", island, prometheus)
        for client in players:
            stack.docker("network", "connect", "--alias", "client", island, client)
            stack.docker("network", "disconnect", network, client)
        yield
    finally:
        for undoing in (
            *(("connect", "--alias", "client", network, client) for client in players),
            *(("disconnect", island, container) for container in (*players, prometheus)),
            ("rm", island),
        ):
            with suppress(StackError):  # what was not done need not be undone
                stack.docker("network", *undoing)
