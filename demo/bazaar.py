"""A bazaar of agents, on this machine, in less than a minute.

    python demo/bazaar.py [FOLDER] [--tasks N] [--nodes N] [--json] [--keep]

Six or more nodes run as real processes with different crafts. They post each other a few hundred
tasks over real files; one node is killed with `kill -9` in the middle of its work, one claims and
never delivers, one boasts of a craft that it lacks, and one joins late. At the end every result is
recomputed in this one process; any difference or unfinished task makes the exit code 1.
"""
from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # A fresh checkout works without being installed.
    sys.path.insert(0, str(ROOT))

from crafts import BY_NAME, CRAFTS, SLOW, Craft  # noqa: E402  # behind the path above
from jobs import Job, plan_jobs, read_files  # noqa: E402
from screen import Screen  # noqa: E402
from stalls import Stall, Trouble  # noqa: E402
from summary import Report, write_report  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

HONEST_NAMES: Final = (
    "amber", "cobalt", "indigo", "jade", "ochre", "umber", "coral", "ivory", "slate", "onyx",
    "opal", "pearl", "rust", "sand", "teal", "wine",
)
MIN_NODES: Final = 6
MAX_NODES: Final = len(HONEST_NAMES) + 3
MAX_TASKS: Final = 5_000
PROVIDERS: Final = 3
"""Honest stalls per craft, about: one may be killed, and there is still a choice."""
WINDOW: Final = 2
"""Tasks under way at once for each poster: more would only wait in a queue on two cores."""
LATE_AT: Final = 0.6
"""The late stall joins when this share of the tasks is done."""
KILL_AT: Final = 0.25
LEASE_MS: Final = 2_000
ATTEMPTS: Final = 20
TIMEOUT_MS: Final = 60_000
"""Together: an attempt is taken away after 3 s without a result."""
AGREE_S: Final = 15.0
"""For the last records to reach everybody."""
TOO_LONG_S: Final = 150.0
"""When the whole demo gives up."""


@dataclass(eq=False)
class Bazaar:
    """The stalls, the jobs, and the play that they are in."""

    folder: Path
    tasks: int
    screen: Screen
    honest: list[Stall]
    idle: Stall
    boast: Stall
    late: Stall
    posters: list[Stall] = field(init=False)
    jobs: list[Job] = field(default_factory=list)
    claimed_s: dict[str, float] = field(default_factory=dict)
    scenes: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: int = 0
    _progress: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.posters = self.honest[:-2]

    @property
    def stalls(self) -> list[Stall]:
        """Everybody."""
        return [*self.honest, self.idle, self.boast, self.late]

    # --- opening ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start everybody but the late one, and wait until they know each other."""
        first, others = self.honest[0], [*self.honest[1:], self.idle, self.boast]
        await first.open()
        async with trio.open_nursery() as nursery:
            for stall in others:
                nursery.start_soon(stall.open, [first])
        async with trio.open_nursery() as nursery:
            for number, stall in enumerate(self.honest):
                for craft in self._crafts_of(number):
                    nursery.start_soon(self._serve, stall, craft)
            nursery.start_soon(self._serve_badly, self.idle, "text.sha256", ["sleep", "3600"])
            nursery.start_soon(self._serve_badly, self.boast, "text.topwords", ["echo", "42"])
        async with trio.open_nursery() as nursery:
            for poster in self.posters:
                nursery.start_soon(self._until_known, poster)
        self.screen.say(f"{len(others) + 1} nodes and their agents have found each other")

    def _crafts_of(self, number: int) -> list[Craft]:
        """Each craft at about PROVIDERS stalls; the slow one at the last two."""
        each = max(2, -(-PROVIDERS * len(CRAFTS) // len(self.honest)))
        crafts = [CRAFTS[(number * each + place) % len(CRAFTS)]
                  for place in range(min(each, len(CRAFTS)))]
        return [*crafts, SLOW] if number >= len(self.honest) - 2 else crafts

    async def _serve(self, stall: Stall, craft: Craft) -> None:
        await stall.serve(craft.name, craft.description, craft.command())

    async def _serve_badly(self, stall: Stall, capability: str, command: list[str]) -> None:
        # Those who do not mean it promise more than others.
        await stall.serve(capability, BY_NAME[capability].description, command, slots=3)

    def _expected(self) -> set[tuple[str, str]]:
        known = {
            (stall.author, craft.name)
            for number, stall in enumerate(self.honest)
            for craft in self._crafts_of(number)
        }
        return known | {(self.idle.author, "text.sha256"), (self.boast.author, "text.topwords")}

    async def _until_known(self, poster: Stall) -> None:
        async def complete() -> bool:
            peers = (await poster.get("/v1/peers"))["peers"]
            seen = {
                (peer["author"], capability["name"])
                for peer in peers for capability in peer["capabilities"]
            }
            return {pair for pair in self._expected() if pair[0] != poster.author} <= seen

        await poster.until(complete)

    # --- trading ---------------------------------------------------------------------------------

    async def trade(self, jobs: Sequence[Job]) -> None:
        """Post the jobs, each poster a few at a time, and take what comes back."""
        self.jobs.extend(jobs)
        windows = {poster.name: trio.CapacityLimiter(WINDOW) for poster in self.posters}
        async with trio.open_nursery() as nursery:
            for job in jobs:
                nursery.start_soon(self._trade_one, job, windows[job.poster.name])

    async def _trade_one(self, job: Job, window: trio.CapacityLimiter) -> None:
        async with window:
            await self.do(job, lease_ms=LEASE_MS, attempts=ATTEMPTS, timeout_ms=TIMEOUT_MS)
        self.done += 1
        self.screen.advance()
        self._progress.set()
        self._progress = trio.Event()

    async def do(self, job: Job, **terms: int) -> None:
        """One task from the post to the accepted result, reviewed where somebody boasts."""
        review = job.craft.name == "text.topwords"
        job.posted_s = time.monotonic()
        try:
            answer = await job.poster.post(
                "/v1/tasks", job.content, capability=job.craft.name,
                media_type="text/plain", review=int(review), **terms,
            )
            job.task = answer["task"]
            while True:
                result, waits = await job.poster.result(job.task)
                if not waits or await self._review(job, result):
                    break
            job.result, job.answered_s = result, time.monotonic()
        except Trouble as trouble:
            job.problem = str(trouble)

    async def _review(self, job: Job, result: bytes) -> bool:
        """Recompute before the verdict: that is how a boast is found out."""
        path = f"/v1/tasks/{job.task}"
        if job.craft.is_right(job.content, result):
            await job.poster.post(f"{path}/accept")
            return True
        job.rejections += 1
        if "boast" not in self.scenes:
            self.scenes["boast"] = {"task": job.task}
            self.screen.say(
                f"a result for {job.craft.name} is not what {job.poster.name} computes: rejected"
            )
        await job.poster.post(f"{path}/reject", reason="recomputed, and different")
        return False

    async def watch(
        self, poster: Stall, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Note when each task of `poster` is first claimed, until cancelled."""
        async with poster.notices() as notices:
            task_status.started()
            async for notice in notices:
                if notice["kind"] == "task" and notice["holder"] is not None:
                    self.claimed_s.setdefault(notice["subject"], time.monotonic())

    async def _until_done(self, share: float) -> None:
        while self.done < share * self.tasks:
            await self._progress.wait()

    # --- scenes ----------------------------------------------------------------------------------

    async def kill_one(self) -> None:
        """`kill -9` the node that holds a task and works on it; then start it again.

        Its agents wait for it, and serve again when it is back.
        """
        await self._until_done(KILL_AT)
        poster, able = self.posters[0], {s.author: s for s in self.honest[-2:]}
        wish = next(j for j in self.jobs if j.task)
        job = Job(SLOW, wish.path, wish.content, poster)
        self.jobs.append(job)
        async with trio.open_nursery() as nursery, poster.notices() as notices:
            nursery.start_soon(self._do_slowly, job)
            victim = await self._holder(job, notices, able)
            before = await victim.records()
            await victim.kill()
            killed_s = time.monotonic()
            self.screen.say(
                f"{victim.name} works on {job.task[:8]} ({SLOW.name}): its node is killed, kill -9"
            )
            heir = await self._holder(job, notices, {a: s for a, s in able.items()
                                                     if s is not victim})
            moved_s = time.monotonic() - killed_s
            self.screen.say(f"its lease ran out: {heir.name} has taken {job.task[:8]} over")
            await victim.open([poster])

            async def is_whole() -> bool:
                return before <= await victim.records()

            with trio.move_on_after(AGREE_S) as limit:
                await victim.until(is_whole)
            if limit.cancelled_caught:
                raise Trouble(f"{victim.name} has lost records")
            self.screen.say(
                f"{victim.name} is back on the same home with all of its {len(before)} records"
            )
        self.scenes["killed"] = {
            "node": victim.name, "task": job.task, "moved_to": heir.name,
            "moved_after_s": round(moved_s, 2), "records_before": len(before),
            "records_kept": True,
        }

    async def _do_slowly(self, job: Job) -> None:
        await self.do(job, lease_ms=1_000)
        self.screen.advance()

    async def _holder(self, job: Job, notices: Any, able: dict[str, Stall]) -> Stall:
        """The stall that works on the job, once it knows so itself."""
        while True:
            notice = await anext(notices)
            if notice["subject"] != job.task or notice.get("holder") not in able:
                continue
            stall = able[notice["holder"]]

            async def is_working(stall: Stall = stall) -> bool:
                view = (await stall.tasks()).get(job.task, {})
                return view.get("state") == "working" and view["holder"] == stall.author

            await stall.until(is_working)
            return stall

    async def join_late(self) -> None:
        """A new node: it gets the whole history, then it works."""
        await self._until_done(LATE_AT)
        poster = self.posters[-1]
        history = await poster.records()
        began_s = time.monotonic()
        await self.late.open([poster])

        async def complete() -> bool:
            return history <= await self.late.records()

        await self.late.until(complete)
        took_s = time.monotonic() - began_s
        self.scenes["late"] = {
            "node": self.late.name, "records": len(history), "seconds": round(took_s, 2),
        }
        self.screen.say(
            f"{self.late.name} has joined and has the whole history: {len(history)} records, "
            f"{took_s:.1f} s after its start"
        )
        for craft in CRAFTS[2:4]:
            await self.late.serve(craft.name, craft.description, craft.command(), slots=2)
        known = {(self.late.author, craft.name) for craft in CRAFTS[2:4]}
        await poster.until(lambda: _knows(poster, known))

    # --- the play --------------------------------------------------------------------------------

    async def run(self, files: Sequence[tuple[Path, bytes]]) -> Report:
        """Everything, and what came of it."""
        began_s = time.monotonic()
        await self.open()
        jobs = plan_jobs(files, self.tasks, self.posters)
        early = jobs[: int(LATE_AT * len(jobs)) + 1]
        async with trio.open_nursery() as nursery:
            for poster in self.posters:
                await nursery.start(self.watch, poster)
            self.screen.begin(len(jobs) + 1)
            async with trio.open_nursery() as acts:
                acts.start_soon(self.kill_one)
                acts.start_soon(self.join_late)
                await self.trade(early)
            await self.trade(jobs[len(early):])
            nursery.cancel_scope.cancel()
        agreed = await self._agree()
        self.screen.end()
        report = Report(self.stalls, self.posters, self.jobs, self.claimed_s, self.scenes, agreed)
        await report.gather()
        report.seconds = time.monotonic() - began_s
        return report

    async def _agree(self) -> bool:
        """Whether all nodes come to say of every task what its poster says."""
        said: dict[str, tuple[str, int, str | None]] = {}
        for poster in self.posters:
            said |= await _states(poster, mine=1)

        async def wait_for(stall: Stall) -> None:
            async def same() -> bool:
                return await _states(stall) == said

            await stall.until(same)

        with trio.move_on_after(AGREE_S):
            async with trio.open_nursery() as nursery:
                for stall in self.stalls:
                    nursery.start_soon(wait_for, stall)
            return True
        return False

    async def close(self) -> None:
        """End every process."""
        async with trio.open_nursery() as nursery:
            for stall in self.stalls:
                nursery.start_soon(stall.close)


async def _knows(stall: Stall, wanted: set[tuple[str, str]]) -> bool:
    peers = (await stall.get("/v1/peers"))["peers"]
    return wanted <= {(p["author"], c["name"]) for p in peers for c in p["capabilities"]}


async def _states(stall: Stall, mine: int = 0) -> dict[str, tuple[str, int, str | None]]:
    return {
        task: (view["state"], view["epoch"], view["claim"])
        for task, view in (await stall.tasks(mine)).items()
    }


# --- the command ---------------------------------------------------------------------------------


def read_arguments() -> argparse.Namespace:
    """What the user wants."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, default=ROOT, metavar="FOLDER",
        help="the files to work on (default: this repository's sources and documents)",
    )
    parser.add_argument("--tasks", type=int, default=240, metavar="N", help="how many (240)")
    parser.add_argument("--nodes", type=int, default=9, metavar="N", help="how many (9)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the nodes' homes afterwards")
    options = parser.parse_args()
    if not MIN_NODES <= options.nodes <= MAX_NODES:
        parser.error(f"--nodes must be from {MIN_NODES} to {MAX_NODES}")
    if not 10 <= options.tasks <= MAX_TASKS:
        parser.error(f"--tasks must be from 10 to {MAX_TASKS}")
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    return options


async def _cancel_on_signal(
    scope: trio.CancelScope, caught: list[int], *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            caught.append(number)
            scope.cancel()


async def play(options: argparse.Namespace, folder: Path, screen: Screen) -> int:
    """Run the demo; its exit code."""
    files = read_files(options.folder)
    if not any(path.suffix == ".py" for path, _ in files):
        screen.fail(f"{options.folder} holds no Python source to work on")
        return 2
    network = f"bazaar-{folder.name}"
    names = [*HONEST_NAMES[: options.nodes - 3], "idle", "boast", "late"]
    *honest, idle, boast, late = [Stall(name, folder, network) for name in names]
    bazaar = Bazaar(folder, options.tasks, screen, honest, idle, boast, late)
    caught: list[int] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(_cancel_on_signal, nursery.cancel_scope, caught)
        try:
            with trio.fail_after(TOO_LONG_S):
                report = await bazaar.run(files)
        finally:
            with trio.CancelScope(shield=True):
                screen.end()
                await bazaar.close()
        nursery.cancel_scope.cancel()
    if caught:
        screen.fail("interrupted; every process has ended")
        return 130
    if options.json:
        print(json.dumps(report.as_json()))
    else:
        write_report(report, options.folder)
    return 0 if report.is_good else 1


def main() -> int:
    """The command line."""
    options = read_arguments()
    screen = Screen(sys.stderr if options.json else sys.stdout)
    folder = Path(tempfile.mkdtemp(prefix="bazaar-"))
    try:
        return trio.run(play, options, folder, screen)
    except BaseExceptionGroup as group:
        reason = first_of(group)
        if not isinstance(reason, Trouble | trio.TooSlowError):
            raise
        screen.fail(str(reason) or f"gave up after {TOO_LONG_S:.0f} s")
        return 1
    finally:
        if options.keep:
            screen.say(f"the homes are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def first_of(error: BaseException) -> BaseException:
    """The first cause in a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main())
