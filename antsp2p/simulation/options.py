"""What a simulation is asked to do."""
from __future__ import annotations

from dataclasses import dataclass, fields

from antsp2p.simulation.limits import MAX_PROCESSES
from antsp2p.simulation.profiles import PROFILES


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What to simulate. `loss` is on top of the profile and never ends."""

    nodes: int = 10
    tasks: int = 50
    seed: int = 1
    loss: float = 0.0
    profile: str = "calm"
    delay: str = ""
    """Empty: the profile's."""
    records: int = 100
    """Isolated records to spread; only where there are no tasks."""
    gap_ms: int = 50
    """Time between two isolated records, at least; the one before is then everywhere."""
    form_ms: int = 5_000
    """Time for the network to form, before the first isolated record."""
    processes: int = 1
    """So many share the work of isolated records; each number has its own draws."""
    handle_us: int = 0
    """What one event costs each node's processor."""
    capabilities: int = 1
    """Agents and tasks are spread evenly over this many capabilities."""
    slots: int = 1
    service_ms: int = 50
    tasks_per_s: float = 20.0
    lease_ms: int = 10_000
    settle_ms: int = 150
    attempts: int = 10
    timeout_ms: int = 0
    review: bool = False
    blob_rate: float = 0.0
    flaky: int = 0
    """So many agents fail half of their tasks."""
    silent: int = 0
    """So many claim and never deliver or report."""
    pretending: int = 0
    """So many report progress for ever and never deliver; post with a timeout."""
    wrong: int = 0
    """So many deliver wrong results; post with review."""
    faults_ms: int = 10_000
    """The profile's faults end after this."""
    until_ms: int = 600_000
    """Not at rest by then is a violation."""

    @property
    def delay_model(self) -> str:
        """The name of the delay model: the one chosen, or the profile's."""
        return self.delay or PROFILES[self.profile].delay

    def __post_init__(self) -> None:
        if self.nodes < 1 or self.tasks < 0 or self.capabilities < 1:
            raise ValueError("a simulation needs at least one node and one capability")
        if self.profile not in PROFILES:
            raise ValueError(f"no profile {self.profile!r}; there are {', '.join(PROFILES)}")
        if self.tasks and not PROFILES[self.profile].tasks:
            raise ValueError(
                f"in profile {self.profile!r} nodes are lost for good: take --tasks 0"
            )
        if not 0 <= self.loss < 1:
            raise ValueError("loss is a share of the datagrams: at least 0, below 1")
        bad = self.flaky + self.silent + self.pretending + self.wrong
        if bad > self.nodes:
            raise ValueError(f"{bad} nodes are to be bad, and there are {self.nodes}")
        if self.tasks and not self.tasks_per_s > 0:
            raise ValueError("tasks that are never posted never end: take a rate above 0")
        if not 1 <= self.processes <= MAX_PROCESSES:
            raise ValueError(f"a simulation runs in 1 to {MAX_PROCESSES} processes")
        if self.processes > 1:
            self._check_processes()

    def _check_processes(self) -> None:
        if self.tasks or PROFILES[self.profile].faults:
            raise ValueError(
                "several processes run isolated records without faults: take --tasks 0, and a "
                "profile that sets delays only"
            )
        if self.delay_model == "wifi":
            raise ValueError("the bursts of wifi are drawn in one process: take --processes 1")

    @property
    def command(self) -> str:
        """The command line that runs this again."""
        words = ["antsp2p simulate"]
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "seed" and value != item.default:
                flag = "--" + item.name.replace("_", "-")
                words.append(flag if value is True else f"{flag} {value}")
        return " ".join([*words, f"--seed {self.seed}"])
