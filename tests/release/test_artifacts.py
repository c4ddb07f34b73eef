"""Each artifact, installed in a clean place as README.md says, does dsops' main job there and leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dsops.sandbox.control.launch import identity_variables
from dsops.sandbox.control.server import SandboxServer
from dsops.version import __version__
from release.repository import address
from tests.release.places import ROOT, WAYS, CleanPlace, without_rights

DEMO = ("exec", "--config", "examples/demo/dsops.yaml", "--env", "production", "--")
SAID = "db.customer.example as app, 21 and 12 characters\n"
COMMAND = 'echo "$DATABASE_HOST as $DATABASE_USER, ${#DATABASE_PASSWORD} and ${#API_KEY} characters"'


def _run(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_it_is_the_version(place: CleanPlace) -> None:
    """`dsops --version` prints the version of the source."""
    assert f"dsops {__version__}\n" == place.dsops("--version").stdout


def test_it_does_the_demos_main_job(place: CleanPlace, server: SandboxServer) -> None:
    """The installed dsops runs a command with two secrets, read after two roles were assumed."""
    assert SAID == place.dsops(*DEMO, "sh", "-c", COMMAND, variables=identity_variables(server, "alice")).stdout


def test_the_command_gets_the_callers_environment(place: CleanPlace, server: SandboxServer) -> None:
    """The kind of installation adds no variable to the command's environment variables, and changes none."""
    variables = identity_variables(server, "alice") | {"VIRTUAL_ENV": "/mine"}
    lines = place.dsops(*DEMO, "env", "-0", variables=variables).stdout.split("\0")
    found = dict(line.split("=", 1) for line in lines if line)
    assert found["VIRTUAL_ENV"] == "/mine"
    assert found["PATH"] == place.environment["PATH"]
    added = set(found) - set(place.environment) - set(variables) - {"_", "SHLVL", "PWD", "OLDPWD"}
    assert {name for name in added if not name.startswith(("DSOPS_", "DATABASE_", "API_KEY"))} == set()


def test_the_completion_is_a_script_of_the_shell(place: CleanPlace, tmp_path: Path) -> None:
    """Bash reads the completion script, and completes `dsops` afterwards."""
    script = tmp_path / "completion"
    script.write_text(place.dsops("completion", "bash").stdout, encoding="utf-8")
    assert "dsops" in place.run("bash", "-c", f"source {script}; complete -p dsops").stdout


def test_a_hint_names_the_way_of_installation(way: str, place: CleanPlace) -> None:
    """A hint for a missing extra uses the program that installed this dsops."""
    said = place.dsops("sandbox", "serve", code=2).stderr
    start = WAYS[way].hint.format(home="~", wheel=place.wheel, name=place.wheel.name)
    assert f"install it: {start}" in said


@pytest.mark.parametrize("way", ["pip", "uv", "pipx"], indirect=True)
def test_no_network_during_an_installation_breaks_nothing(place: CleanPlace, server: SandboxServer) -> None:
    """If the index can't be reached, the hint's command fails with a reason, and dsops works as before."""
    hint = place.dsops("sandbox", "serve", code=2).stderr.partition("install it: ")[2].strip()
    nowhere = {
        "PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0",
        "UV_CONFIG_FILE": os.devnull, "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0",
    }  # fmt: skip
    tools = f"{ROOT / '.venv-release' / 'bin'}:{place.environment['PATH']}"
    failed = place.run("sh", "-c", f"({hint}) || exit 7", code=7, variables={"PATH": tools, **nowhere})
    assert re.search(r"cbor2|Failed to fetch|Connection refused", failed.stdout + failed.stderr)
    assert SAID == place.dsops(*DEMO, "sh", "-c", COMMAND, variables=identity_variables(server, "alice")).stdout


def test_the_sums_are_right(dist: Path) -> None:
    """`sha256sum --check SHA256SUMS` succeeds for every file, and SHA256SUMS lists each file."""
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=dist, capture_output=True, text=True, check=True, timeout=60
    )
    assert {line.partition(": ")[0] for line in done.stdout.splitlines()} == set(os.listdir(dist)) - {"SHA256SUMS"}


def test_the_description_links_to_the_repository(dist: Path) -> None:
    """On a package index, README.md has only absolute links and anchors; each leads to a file of the tagged commit."""
    with zipfile.ZipFile(next(dist.glob("*-py3-none-any.whl"))) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        text = wheel.read(name).decode()
    links = re.findall(r"\]\(([^)]+)\)", text.partition("\n\n")[2])
    ours = [link for link in links if link.startswith(address())]
    assert [link for link in links if link not in ours and not link.startswith(("#", "https://"))] == []
    for link in ours:
        kind, ref, path = link.removeprefix(f"{address()}/").partition("#")[0].split("/", 2)
        assert kind == ("raw" if path.endswith(".png") else "blob")
        assert ref == f"v{__version__}"
        assert (ROOT / path).exists(), link
    assert len(ours) > 20


def test_each_artifact_has_a_bill_of_materials(dist: Path) -> None:
    """Each bill of materials has dsops and its dependencies with versions, and no path of the build machine."""
    for artifact in (file for ending in ("whl", "tar.gz", "pyz", "deb", "rpm") for file in dist.glob(f"*.{ending}")):
        text = (dist / f"{artifact.name}.cdx.json").read_text(encoding="utf-8")
        bill = json.loads(text)
        named = {component["name"].lower(): component["version"] for component in bill["components"]}
        assert {"botocore", "pyyaml", "rich", "urllib3"} <= set(named)
        assert ("pycurl" in named) is (artifact.suffix in (".whl", ".gz") and "musllinux" not in artifact.name)
        assert "file://" not in text
        assert tempfile.gettempdir() not in text


def test_the_single_file_has_its_licences(dist: Path) -> None:
    """The list of licences has the licence text of every package in the bill of materials."""
    licences = (dist / "dsops.pyz.licenses.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    bill = json.loads((dist / "dsops.pyz.cdx.json").read_text(encoding="utf-8"))
    for component in bill["components"]:
        name = component["name"].lower().replace("_", "-")
        assert f"{name} {component['version']}\n" in licences


def test_a_python_that_is_too_old_gets_one_line(dist: Path, tmp_path: Path) -> None:
    """With a Python older than 3.11, the single file prints one line that names the required version."""
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (tmp_path / "python3").chmod(0o755)
    words = ["/bin/sh", str(dist / "dsops.pyz"), "--version"]
    done = _run(words, {"HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (1, "error: dsops.pyz needs Python 3.11 or newer, and PATH has none\n")


def test_pip_of_an_older_python_says_what_is_needed(dist: Path, tmp_path: Path) -> None:
    """The wheel's metadata says which Python it needs, so pip of an older Python does not choose the wheel."""
    words = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-index", "--no-deps"]
    words += ["--find-links", str(dist), "--dest", str(tmp_path), "--python-version", "3.10"]
    done = _run([*words, "--only-binary", ":all:", "dsops"], {"HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "dsops' requires a different Python: 3.10.0 not in '>=3.11'" in done.stderr


def test_the_single_file_says_where_it_cannot_unpack_itself(dist: Path, tmp_path: Path) -> None:
    """If the single file can't write to its cache, it prints one line with the folder and the reason."""
    (tmp_path / ".cache").touch()
    environment = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).resolve().parent}:{os.defpath}"}
    words = [str(dist / "dsops.pyz"), "--version"]
    done = _run(words, environment)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"unpacks itself into {tmp_path}/.cache/dsops/pyz, and can't write there" in line


def test_another_python_starts_the_single_file(dist: Path, tmp_path: Path) -> None:
    """`python dsops.pyz` prints the same output as `dsops.pyz` started directly."""
    environment = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).resolve().parent}:{os.defpath}"}
    words = [sys.executable, str(dist / "dsops.pyz"), "--version"]
    done = _run(words, environment)
    assert done.stdout == f"dsops {__version__}\n"


def test_read_only_packages_are_enough(installed_by: Callable[[str], CleanPlace], server: SandboxServer) -> None:
    """dsops runs if the user can't write to its installation; the hint for an extra creates a virtual environment."""
    place = installed_by("pip")
    packages = place.home / "venv"
    words = without_rights()
    variables = identity_variables(server, "alice") | {"DSOPS_AGENT": "off"}
    subprocess.run(["chmod", "-R", "a-w", str(packages)], check=True, timeout=60)
    try:
        with pytest.raises(AssertionError, match="Permission denied"):
            place.run(*words, "touch", packages / "new")
        assert SAID == place.run(*words, "dsops", *DEMO, "sh", "-c", COMMAND, variables=variables).stdout
        said = place.run(*words, "dsops", "sandbox", "serve", code=2).stderr
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(packages)], check=True, timeout=60)
    assert f"~/.venvs/dsops/bin/python -m pip install '{place.wheel}[sandbox]'" in said


def test_each_installation_has_an_agent_of_its_own(
    installed_by: Callable[[str], CleanPlace], server: SandboxServer, tmp_path: Path
) -> None:
    """dsops does not use the agent of another installation, even of an older version, and runs beside that agent."""
    variables = identity_variables(server, "alice") | {"DSOPS_AGENT": "", "XDG_RUNTIME_DIR": str(tmp_path)}
    ways = ("pip", "pyz", "pip")
    agents = []
    try:
        for name in ways:
            place = installed_by(name)
            assert SAID == place.dsops(*DEMO, "sh", "-c", COMMAND, variables=variables).stdout
            agents.append(json.loads(place.dsops("agent", "status", "--json", variables=variables).stdout)["pid"])
    finally:
        for name in set(ways):
            installed_by(name).dsops("agent", "stop", variables=variables)
    assert agents[0] == agents[2]
    assert agents[0] != agents[1]


def test_doctor_tells_of_two_installations(installed_by: Callable[[str], CleanPlace], server: SandboxServer) -> None:
    """If PATH has two installations, doctor names both of them and the one that runs."""
    first, second = installed_by("pip"), installed_by("pyz")
    variables = identity_variables(server, "alice")
    words = ("doctor", "--config", "examples/demo/dsops.yaml")
    assert "installations" not in first.dsops(*words, variables=variables).stdout
    said = first.dsops(*words, variables=variables | {"PATH": f"{first.bin}:{second.bin}:{os.defpath}"}).stdout
    assert f"PATH has 2: {first.bin}/dsops, {second.bin}/dsops" in said
    assert "the dsops of ~/venv" in said


def test_the_sums_notice_a_change(dist: Path, tmp_path: Path) -> None:
    """If a byte is added to an artifact, `sha256sum --check` fails."""
    copy = tmp_path / "dist"
    shutil.copytree(dist, copy)
    with (copy / "dsops.pyz").open("ab") as file:
        file.write(b"x")
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=copy, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "dsops.pyz: FAILED" in done.stdout
    assert hashlib.sha256(b"x").hexdigest() not in done.stdout


def test_uninstalling_leaves_the_audit_trail(
    way: str, place: CleanPlace, removed: Callable[[str], None], server: SandboxServer
) -> None:
    """Nothing with dsops' name is left in HOME but the audit trail, which belongs to the user."""
    place.dsops(*DEMO, "true", variables=identity_variables(server, "alice"))
    assert len(place.left) > 1
    removed(way)
    assert place.left == [".local/state/dsops"]
