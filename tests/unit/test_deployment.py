"""The container and service files agree with the package."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from userbot.config.settings import write_example

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]


def test_image_copies_what_the_wheel_is_built_from() -> None:
    text = (DOCKER / "Dockerfile").read_text("utf-8")
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE))
    assert copied == {
        "pyproject.toml README.md LICENSE",
        "docker/requirements-daemon.txt docker/requirements-full.txt",
        *WHEEL["packages"],
        *WHEEL["force-include"],
    }
    extras = set(re.findall(r"\[(\w+)\]\"", text))
    assert extras <= set(PROJECT["project"]["optional-dependencies"])


def test_only_known_settings_are_named() -> None:
    known = set(re.findall(r"^#(CLONE_\w+)=", write_example(), re.MULTILINE))
    for path in DOCKER.iterdir():
        named = set(re.findall(r"CLONE_[A-Z_0-9]+", path.read_text("utf-8")))
        assert named <= known, path.name


def test_targets_of_the_compose_file_exist() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\w+)$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"target: (\w+)", (DOCKER / "compose.yaml").read_text("utf-8")))
    assert named and named <= targets


IMAGE_ENVIRONMENT = {"python_version": "3.12", "python_full_version": "3.12.0", "sys_platform": "linux"}
LOCKS = {"requirements-daemon.txt": (), "requirements-full.txt": ("train",)}


def _read_lock(name: str) -> dict[str, tuple[Requirement, int]]:
    """Return the locked requirements of the image by name, each with the number of its hashes."""
    entries = (DOCKER / name).read_text("utf-8").replace("\\\n", " ").splitlines()
    environment = {name: str(value) for name, value in default_environment().items()} | IMAGE_ENVIRONMENT
    locked: dict[str, tuple[Requirement, int]] = {}
    for line in (line for line in entries if line.strip() and not line.startswith("#")):
        requirement = Requirement(line.partition("--hash")[0].strip())
        if requirement.marker is None or requirement.marker.evaluate(environment):
            locked[canonicalize_name(requirement.name)] = (
                requirement,
                len(re.findall(r"--hash=sha256:[0-9a-f]{64}", line)),
            )
    return locked


@pytest.mark.parametrize("name", LOCKS)
def test_lock_holds_one_version_with_hashes_of_all_that_the_package_needs(name: str) -> None:
    locked = _read_lock(name)
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *(w for extra in LOCKS[name] for w in project["optional-dependencies"][extra])]
    for need in map(Requirement, wanted):
        requirement, _hashes = locked[canonicalize_name(need.name)]
        [pinned] = requirement.specifier
        assert pinned.operator == "==" and need.specifier.contains(pinned.version), need.name
    assert [entry for entry, (_requirement, hashes) in locked.items() if hashes == 0] == []
    assert "://" not in (DOCKER / name).read_text("utf-8")


def test_both_locks_agree() -> None:
    daemon, full = (_read_lock(name) for name in LOCKS)
    assert {name: (str(entry[0].specifier), str(full[name][0].specifier)) for name, entry in daemon.items()
            if entry[0].specifier != full[name][0].specifier} == {}  # fmt: skip


def test_image_installs_nothing_but_what_is_locked() -> None:
    installs = re.findall(r"pip install (.*)", (DOCKER / "Dockerfile").read_text("utf-8"))
    assert len(installs) == 3
    assert all("--require-hashes -r /locks/" in install or "--no-deps /dist/" in install for install in installs)


def test_container_has_no_rights_and_bounded_resources() -> None:
    [service] = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"].values()
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (service["ulimits"]["core"], service["pids_limit"]) == (0, 1024) and service["mem_limit"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert re.findall(r"^USER (\w+)$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE)[-1] == "clone"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_unit_is_below_three_by_systemds_own_measure() -> None:
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--threshold=29",
        str(DOCKER / "telegram-clone.service"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-300:] + ran.stderr


def test_unit_lets_a_gpu_through_and_little_else() -> None:
    text = (DOCKER / "telegram-clone.service").read_text("utf-8")
    directives = [line.partition("=")[::2] for line in text.splitlines() if "=" in line and not line.startswith("#")]
    assert {("UMask", "0077"), ("LimitCORE", "0"), ("CapabilityBoundingSet", ""), ("NoNewPrivileges", "yes"),
            ("DevicePolicy", "closed"), ("RestrictNamespaces", "yes"), ("ProtectKernelModules", "yes"),
            ("SystemCallFilter", "@system-service")} <= set(directives)  # fmt: skip
    devices = {value for name, value in directives if name == "DeviceAllow"}
    assert {"char-nvidia-uvm rw", "char-nvidiactl rw"} <= devices and all("nvidia" in value for value in devices)
    # CUDA maps memory that it writes and runs, and reads /proc/driver.
    assert not {"MemoryDenyWriteExecute", "PrivateDevices", "ProcSubset"} & {name for name, _value in directives}


def test_unit_starts_the_console_command_and_may_write_to_its_home_only() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way to keep the case
    unit.read(DOCKER / "telegram-clone.service", "utf-8")
    service = unit["Service"]
    program, verb = service["ExecStart"].split()
    assert Path(program).name in PROJECT["project"]["scripts"] and verb == "run"
    assert service["Environment"] == "CLONE_HOME=%h/.telegram-clone"
    assert service["ReadWritePaths"].split()[0] == "%h/.telegram-clone"
    assert service["ProtectSystem"] == "strict"
