"""What is built and runs gives who breaks into it little; the files for that are read in tests/unit."""

import json
import re
import subprocess

import pytest

from tests.unit.test_images import SECRET

from .conftest import Stack

PROBE = """
import os, pathlib
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/1/status").read_text().splitlines())
try:
    pathlib.Path("/app/x").write_text("x")
except OSError as error:
    print(error.strerror)
rights = (status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs"))
print(os.getuid(), os.getgid(), *rights)
"""


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def image_of(stack: Stack, service: str) -> str:
    (container,) = stack.containers(service)[:1]
    (told,) = json.loads(docker("container", "inspect", container))
    return str(told["Image"])


@pytest.mark.parametrize("service", ["server", "client"])
def test_an_image_starts_its_program_as_nobody_and_holds_no_secret(stack: Stack, service: str):
    image = image_of(stack, service)
    (told,) = json.loads(docker("image", "inspect", image))
    config = told["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python", "-m", service]
    assert not config.get("Cmd")
    made = docker("image", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert not SECRET.search(made + json.dumps(config["Env"]))


@pytest.mark.parametrize("service", ["server", "client"])
def test_an_image_starts_without_a_shell(stack: Stack, service: str):
    no_shell = [word for shell in ("dash", "bash") for word in ("--volume", f"/dev/null:/bin/{shell}:ro")]
    said = docker(
        "run", "--rm", "--read-only", "--network", "none", *no_shell, image_of(stack, service), "--help"
    )
    assert "Usage:" in said


@pytest.mark.parametrize("service", ["server", "client"])
def test_a_service_has_no_rights_and_nothing_to_write(stack: Stack, service: str):
    said = stack.run("exec", "--no-TTY", service, "python", "-c", PROBE)
    refused, rights = said.splitlines()
    assert refused == "Read-only file system"
    assert re.fullmatch(r"10001 10001 0{16} 0{16} 1", rights)
