"""Several hosts on one machine: network namespaces with addresses of their own on one bridge.

Each has its own loopback and one cable. Processes and files are shared.
"""

import os
import subprocess

SUBNET = "10.213.77"


class Hosts:
    """Start it, use `address` and `inside`, stop it; this machine is host 0."""

    def __init__(self, n: int):
        self.names = [f"al{os.getpid()}h{i}" for i in range(1, n + 1)]
        self._bridge = f"al{os.getpid()}b"

    @staticmethod
    def missing() -> str | None:
        """Why there can be none here, in the words of the command; None when there can."""
        name = f"al{os.getpid()}try"
        try:
            done = subprocess.run(
                ["ip", "netns", "add", name], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            return "no ip: apt-get install iproute2"
        if done.returncode:
            return f"ip netns add: {done.stderr.strip()}"
        ip("netns", "del", name)
        return None

    def start(self) -> None:
        ip("link", "add", self._bridge, "type", "bridge")
        ip("addr", "add", f"{self.address(0)}/24", "dev", self._bridge)
        ip("link", "set", self._bridge, "up")
        for i, name in enumerate(self.names, start=1):
            ip("netns", "add", name)
            ip("link", "add", self.cable(i), "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", self.cable(i), "master", self._bridge, "up")
            ip("-n", name, "addr", "add", f"{self.address(i)}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")

    def stop(self) -> None:
        for words in (
            *(("netns", "del", name) for name in self.names),
            ("link", "del", self._bridge),
        ):
            subprocess.run(["ip", *words], capture_output=True, check=False)

    @staticmethod
    def address(host: int) -> str:
        return f"{SUBNET}.{host + 1}"

    def cable(self, host: int) -> str:
        return f"al{os.getpid()}c{host}"

    def inside(self, host: int, *words: str) -> list[str]:
        """A command as it runs on a host."""
        return ["ip", "netns", "exec", self.names[host - 1], *words]


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
