"""A real SLURM on this machine, from Debian's packages, in a temporary folder on free ports."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PACKAGES = "apt-get install slurmctld slurmd slurm-client munge"

CONFIGURATION = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/ctl
SlurmdSpoolDir={folder}/d
SlurmctldPidFile={folder}/ctl.pid
SlurmdPidFile={folder}/d.pid
SlurmctldLogFile={folder}/ctl.log
SlurmdLogFile={folder}/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=1
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10
"""


class Cluster:
    """Start it, use `environment`, stop it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}

    @staticmethod
    def missing() -> str | None:
        """Why there can be no cluster here; None when there can."""
        programs = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "srun")
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        absent = [p for p in programs if shutil.which(p, path=path) is None]
        if absent:
            return f"no {', '.join(absent)}: {PACKAGES}"
        return None if os.geteuid() == 0 else "a SLURM of one's own takes root to start"

    def start(self) -> None:
        for part in ("ctl", "d"):
            (self.folder / part).mkdir()
        self._start_munge()
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        text = CONFIGURATION.format(
            host=socket.gethostname(), ports=free_ports(2), folder=self.folder, memory=memory // 2
        )
        (self.folder / "slurm.conf").write_text(text)
        for program in ("slurmctld", "slurmd"):
            self.call(f"/usr/sbin/{program}", "-f", self.folder / "slurm.conf")
        until = time.monotonic() + 30
        while "idle" not in (said := self.call("sinfo", "--noheader", "--format=%T")):
            assert time.monotonic() < until, f"SLURM does not start: {said}\n{self._logs()}"
            time.sleep(0.2)

    def stop(self) -> None:
        for name in ("d.pid", "ctl.pid", "munge.pid"):
            file = self.folder / name
            if file.exists():
                end(int(file.read_text()))

    def call(self, *words: object) -> str:
        done = subprocess.run(
            list(map(str, words)), capture_output=True, text=True, check=False,
            env={**os.environ, **self.environment},
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self._logs()}"
        return done.stdout

    def _start_munge(self) -> None:
        """An authority of its own, by its own key and socket; munged wants to own its folders."""
        place = self.folder / "munge"
        place.mkdir(mode=0o755)
        key = place / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.call(
            "/usr/sbin/munged", "--force", f"--key-file={key}", f"--log-file={place}/log",
            f"--pid-file={self.folder}/munge.pid", f"--seed-file={place}/seed",
            f"--socket={self.folder}/munge.socket",
        )  # fmt: skip

    def _logs(self) -> str:
        files = [self.folder / "ctl.log", self.folder / "d.log"]
        return "\n".join(f.read_text(errors="replace")[-3000:] for f in files if f.exists())


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def end(pid: int) -> None:
    """Ask a daemon to end and wait until it has."""
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < until:
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    """Running, and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
