"""Hosts on this machine: network namespaces on one switch, which know each other by name and can be cut off.

Each host has a network, host names and a name of its own, and shares all else with this machine (ip-netns(8)); the
switch is a bridge in a namespace of its own, so that no firewall of this machine stands between the hosts. This machine is
on the switch, too. To cut a host off is to pull its cable: nobody is told.
"""

from __future__ import annotations

import ipaddress
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

SUBNET = ipaddress.IPv4Network("10.213.77.0/24")
PREFIX = "fieldmark-"  # of the namespaces
SWITCH = PREFIX + "switch"
OWN_PORT = "fm-here"  # this machine's end of its cable
ETC = Path("/etc/netns")  # `ip netns exec` lays NAME's files over /etc


class NoNetwork(Exception):
    """Hosts cannot be made here; the message says why."""


class Network:
    """Hosts with these names, for as long as its context lasts. One at a time on a machine."""

    def __init__(self, names: Sequence[str]) -> None:
        self.addresses = {name: str(SUBNET[10 + index]) for index, name in enumerate(names)}

    def __enter__(self) -> Self:
        check()
        _remove()  # what a run left behind that was killed
        try:
            self._make()
        except BaseException:
            _remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _remove()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a process on a host; it is a child of this one, and its process id is the command's."""
        script = f"hostname {shlex.quote(name)} && exec {shlex.join(command)}"
        return subprocess.Popen(
            ["ip", "netns", "exec", PREFIX + name, "unshare", "--uts", "sh", "-c", script], env=dict(environment)
        )

    def cut(self, name: str) -> None:
        """Pull the cable of a host."""
        _ip("-n", SWITCH, "link", "set", self._port(name), "down")

    def mend(self, name: str) -> None:
        """Plug the cable in again."""
        _ip("-n", SWITCH, "link", "set", self._port(name), "up")

    def _port(self, name: str) -> str:
        """The switch's end of a host's cable."""
        return f"to{list(self.addresses).index(name)}"

    def _make(self) -> None:
        _ip("netns", "add", SWITCH)
        _ip("-n", SWITCH, "link", "add", "lan", "type", "bridge")
        _ip("-n", SWITCH, "link", "set", "lan", "up")
        _ip("link", "add", OWN_PORT, "type", "veth", "peer", "name", "here", "netns", SWITCH)
        _ip("-n", SWITCH, "link", "set", "here", "master", "lan", "up")
        _ip("address", "add", f"{SUBNET[1]}/{SUBNET.prefixlen}", "dev", OWN_PORT)
        _ip("link", "set", OWN_PORT, "up")
        for name, address in self.addresses.items():
            self._make_host(name, address)

    def _make_host(self, name: str, address: str) -> None:
        host, port = PREFIX + name, self._port(name)
        folder = ETC / host
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", *(f"{number} {other}" for other, number in self.addresses.items())]
        (folder / "hosts").write_text("\n".join(lines) + "\n")
        _ip("netns", "add", host)
        _ip("-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", SWITCH)
        _ip("-n", SWITCH, "link", "set", port, "master", "lan", "up")
        _ip("-n", host, "address", "add", f"{address}/{SUBNET.prefixlen}", "dev", "eth0")
        _ip("-n", host, "link", "set", "eth0", "up")
        _ip("-n", host, "link", "set", "lo", "up")


def check() -> None:
    """Find out whether hosts can be made here.

    Raises:
        NoNetwork: they cannot, or there are some already.
    """
    missing = [program for program in ("ip", "unshare", "hostname") if shutil.which(program) is None]
    if missing:
        raise NoNetwork(f"{', '.join(missing)} is missing (Debian: apt install iproute2 util-linux hostname)")
    if os.geteuid() != 0:
        raise NoNetwork("network namespaces are made by root only")
    if running := _processes():
        raise NoNetwork(f"there is a stack already, with the processes {', '.join(running)}")
    probe = PREFIX + "probe"
    try:
        _ip("netns", "add", probe)
        _ip("-n", probe, "link", "add", "lan", "type", "bridge")
    except subprocess.CalledProcessError as error:
        raise NoNetwork(f"this machine does not allow it: {error.stderr.strip()}") from error
    finally:
        subprocess.run(["ip", "netns", "delete", probe], capture_output=True, check=False)


def _remove() -> None:
    """Take away all hosts of ours, the switch and the cables; our own at once, the others with their ends."""
    subprocess.run(["ip", "link", "delete", OWN_PORT], capture_output=True, check=False)
    for name in _namespaces():
        _ip("netns", "delete", name)
        shutil.rmtree(ETC / name, ignore_errors=True)


def _processes() -> list[str]:
    """Ids of the processes on hosts of ours."""
    return [number for name in _namespaces() for number in _ip("netns", "pids", name).split()]


def _namespaces() -> list[str]:
    return [line.split()[0] for line in _ip("netns", "list").splitlines() if line.startswith(PREFIX)]


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout
