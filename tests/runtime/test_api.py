"""The local API over a real host on a real Unix socket."""
from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trio

from antsp2p.runtime import api_requests
from antsp2p.runtime.api import serve_api
from antsp2p.runtime.host import Host, HostOptions, open_host

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 20.0
STRANGE = "ab" * 32


@dataclass(frozen=True, slots=True)
class Served:
    """A host with its API, and a client that knows the token."""

    host: Host
    http: httpx2.AsyncClient
    closing: trio.Event
    closed: trio.Event

    async def json(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        response = await self.http.request(method, path, **more)
        assert response.status_code == status, response.text
        return response.json()

    async def refusal(self, method: str, path: str, status: int, **more: Any) -> str:
        """The one line that a request is refused with."""
        answer = await self.json(method, path, status, **more)
        assert "\n" not in answer["error"]
        return str(answer["error"])

    async def post(self, capability: str, content: bytes = b"", **params: Any) -> str:
        answer = await self.json(
            "POST", "/v1/tasks", 201, content=content,
            params={"capability": capability, "settle_ms": 0, **params})
        return str(answer["task"])


def client(path: Path, **headers: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(uds=str(path), verify=False), headers=headers,
        base_url="http://node", timeout=LIMIT_S, trust_env=False,
    )


@asynccontextmanager
async def serve(home: Path) -> AsyncIterator[Served]:
    options = HostOptions(home=home, listen=(("127.0.0.1", 0),), discovery=False)
    closing, closed = trio.Event(), trio.Event()

    async def serve_until_closed(host: Host, *, task_status: trio.TaskStatus[None]) -> None:
        await serve_api(host, closing, task_status=task_status)
        closed.set()

    with trio.fail_after(2 * LIMIT_S):
        async with open_host(options) as host, trio.open_nursery() as nursery:
            await nursery.start(serve_until_closed, host)
            token = {"Authorization": f"Bearer {host.home.token()}"}
            async with client(host.home.socket_path(), **token) as http:
                yield Served(host, http, closing, closed)
            closing.set()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path / "home") as served:
        yield served


Events = Callable[[], Awaitable[tuple[str, Any]]]


@asynccontextmanager
async def stream(served: Served, path: str, **params: Any) -> AsyncIterator[Events]:
    """An event stream; each call of what this yields waits for the next event."""
    tell, told = trio.open_memory_channel[tuple[str, Any]](1_000)

    async def read(response: httpx2.Response) -> None:
        # The generator is only ever left while it waits, so that nothing of it stays behind.
        with tell:
            async for event in httpx2.EventSource(response):
                tell.send_nowait((event.event, event.json()))

    async with (
        served.http.stream("GET", path, params=params) as response,
        trio.open_nursery() as nursery,
    ):
        assert response.status_code == 200
        nursery.start_soon(read, response)
        yield told.receive
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def agent(served: Served, capability: str, slots: int = 1) -> AsyncIterator[Events]:
    async with stream(served, "/v1/work", capability=capability, slots=slots) as events:
        assert (await events())[0] == "agent"
        yield events


# --- who may ask ---------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic {}", "bearer {}", "{}"])
async def test_without_the_token_there_is_nothing(served: Served, header: str) -> None:
    token = served.host.home.token()
    headers = {"Authorization": header.format(token)} if header else {}
    async with client(served.host.home.socket_path(), **headers) as http:
        for path in ("/v1/status", "/v1/work?capability=x", "/nothing"):
            response = await http.get(path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert token not in response.text
        assert (await http.post("/v1/stop")).status_code == 401


async def test_socket_and_announcement_are_private_and_go(tmp_path: Path) -> None:
    async with serve(tmp_path / "home") as served:
        home = served.host.home
        path = home.socket_path()
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        entry = home.read_api()
        assert entry is not None
        assert entry["socket"] == str(path)
    assert not path.exists()
    assert home.read_api() is None


async def test_a_leftover_socket_is_replaced(tmp_path: Path) -> None:
    async with serve(tmp_path / "home") as served:
        path = served.host.home.socket_path()
        path.rename(path.with_name("kept"))
    path.with_name("kept").rename(path)
    async with serve(tmp_path / "home") as served:
        await served.json("GET", "/v1/status")


# --- requests that make no sense -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/v1/nothing", 404, "Not Found"),
        ("PUT", "/v1/status", 405, "Not Allowed"),
        ("GET", "/v1/status?verbose=1", 400, "'verbose'"),
        ("GET", "/v1/tasks?limit=-1", 400, "limit"),
        ("GET", "/v1/tasks?limit=10001", 400, "limit"),
        ("GET", "/v1/tasks?limit=1&limit=2", 400, "more than once"),
        ("GET", "/v1/tasks?mine=perhaps", 400, "mine"),
        ("GET", "/v1/tasks/abc", 404, "4 hex digits"),
        ("GET", "/v1/tasks/zzzz", 404, "4 hex digits"),
        ("GET", f"/v1/tasks/{STRANGE}", 404, "no task"),
        ("GET", f"/v1/tasks/{STRANGE}/result", 404, "no task"),
        ("GET", f"/v1/tasks/{STRANGE}/result?wait_ms=60001", 400, "wait_ms"),
        ("POST", f"/v1/tasks/{STRANGE}/cancel", 404, "no task"),
        ("GET", f"/v1/peers/{STRANGE}/why", 404, "no node"),
        ("GET", f"/v1/log?author={STRANGE}", 404, "no node"),
        ("GET", f"/v1/claims/{STRANGE}/input", 404, "claim"),
        ("POST", "/v1/claims/x/result", 404, "claim"),
        ("POST", "/v1/claims/x/result?outcome=perhaps", 400, "done or failed"),
        ("POST", "/v1/tasks", 409, "capability"),
        ("POST", "/v1/tasks?capability=No%20Name", 409, "capability"),
        ("POST", "/v1/tasks?capability=a&attempts=0", 409, "attempts"),
        ("POST", "/v1/tasks?capability=a&lease_ms=x", 400, "lease_ms"),
        ("POST", f"/v1/tasks?capability=a&after={STRANGE}", 404, "no task"),
        ("GET", "/v1/work?capability=A", 409, "capability"),
        ("GET", "/v1/work?capability=a&slots=0", 409, "slots"),
    ],
)
async def test_a_bad_request_is_one_line(
    served: Served, method: str, path: str, status: int, said: str
) -> None:
    assert said in await served.refusal(method, path, status)
    assert (await served.json("GET", "/v1/status"))["tasks"] == {}


async def test_too_large_a_body_is_refused_and_the_next_is_not(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_requests, "MAX_BODY_BYTES", 1 << 20)
    line = await served.refusal(
        "POST", "/v1/tasks?capability=a", 413, content=bytes((1 << 20) + 1))
    assert line == "the content is larger than 1 MiB; split the work up"
    task = await served.post("a", bytes(1 << 20))
    assert (await served.json("GET", f"/v1/tasks/{task}"))["input"]["size"] == 1 << 20


async def test_a_defect_is_an_answer_not_an_end(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(served.host.node.gossip, "links", broken)
    assert "ZeroDivisionError" in await served.refusal("GET", "/v1/status", 500)
    monkeypatch.undo()
    while "GET /v1/status" not in caplog.text:
        await served.json("GET", "/v1/status")


# --- posting and waiting -------------------------------------------------------------------------


async def test_a_task_from_post_to_result(served: Served) -> None:
    async with agent(served, "echo") as events:
        task = await served.post("echo", b"hello", media_type="text/plain")
        name, start = await events()
        assert name == "start"
        assert (start["task"], start["epoch"], start["size"]) == (task, 0, 5)
        assert (start["media_type"], start["lease_ms"]) == ("text/plain", 10_000)
        place = f"/v1/claims/{start['claim']}"
        assert (await served.http.get(f"{place}/input")).content == b"hello"
        await served.json("POST", f"{place}/progress", params={"progress": 500})
        waiting = await served.http.get(f"/v1/tasks/{task[:8]}/result")
        assert waiting.status_code == 202
        name = served.host.node.author.hex()[:12]
        assert waiting.json() == {"state": "working", "waits_for": f"{name} works on it"}
        await served.json(
            "POST", f"{place}/result", 201, content=b"HELLO", params={"media_type": "text/x"})
        done = await served.http.get(f"/v1/tasks/{task}/result", params={"wait_ms": 20_000})
        assert done.content == b"HELLO"
        assert done.headers["content-type"].startswith("text/x")
        assert done.headers["x-antsp2p-state"] == "accepted"
        assert "no agent of this node" in await served.refusal("POST", f"{place}/release", 404)


async def test_a_result_is_waited_for(served: Served) -> None:
    async with agent(served, "slow") as events, trio.open_nursery() as nursery:
        task = await served.post("slow")
        answers: list[httpx2.Response] = []

        async def wait() -> None:
            answers.append(await served.http.get(
                f"/v1/tasks/{task}/result", params={"wait_ms": 20_000}))

        _, start = await events()
        nursery.start_soon(wait)
        while not (await served.json("GET", "/v1/status"))["waiting"]:
            await trio.lowlevel.checkpoint()
        content = bytes(range(256)) * 1_000
        await served.json("POST", f"/v1/claims/{start['claim']}/result", 201, content=content)
    assert answers[0].content == content
    assert (await served.json("GET", "/v1/status"))["waiting"] == 0


async def test_a_wait_has_an_end(served: Served) -> None:
    task = await served.post("nobody")
    answer = await served.json("GET", f"/v1/tasks/{task}/result", 202, params={"wait_ms": 1})
    assert answer == {"state": "open", "waits_for": "nobody offers nobody"}


async def test_a_task_that_ends_without_a_result_says_why(served: Served) -> None:
    async with agent(served, "bad") as events:
        task = await served.post("bad", attempts=1)
        _, start = await events()
        await served.json(
            "POST", f"/v1/claims/{start['claim']}/result", 201,
            params={"outcome": "failed", "error": "it broke"})
        answer = await served.json(
            "GET", f"/v1/tasks/{task}/result", 409, params={"wait_ms": 20_000})
    assert answer["state"] == "dead-lettered"
    assert answer["cause"] == "exhausted"
    assert answer["failures"] == ["it broke"]


async def test_review(served: Served) -> None:
    async with agent(served, "look") as events:
        task = await served.post("look", review="true")
        assert "no result yet" in await served.refusal("POST", f"/v1/tasks/{task}/accept", 409)
        _, start = await events()
        await served.json("POST", f"/v1/claims/{start['claim']}/result", 201, content=b"x")
        done = await served.http.get(f"/v1/tasks/{task}/result", params={"wait_ms": 20_000})
        assert (done.content, done.headers["x-antsp2p-state"]) == (b"x", "done")
        await served.json("POST", f"/v1/tasks/{task}/accept")
        assert (await served.json("GET", f"/v1/tasks/{task}"))["state"] == "accepted"


async def test_an_id_must_be_clear(served: Served) -> None:
    tasks = [await served.post("nobody", bytes([n])) for n in range(3)]
    for task in tasks:
        digits = next(
            n for n in range(4, 65) if sum(t.startswith(task[:n]) for t in tasks) == 1)
        assert (await served.json("GET", f"/v1/tasks/{task[:digits].upper()}"))["task"] == task


# --- streams -------------------------------------------------------------------------------------


async def test_a_stream_that_ends_takes_the_agent_with_it(served: Served) -> None:
    async with stream(served, "/v1/events") as notices:
        assert (await notices())[1]["kind"] == "watching"
        async with agent(served, "brief"):
            task = await served.post("brief")
            while (await notices())[1].get("state") != "working":
                pass
        while (await notices())[1].get("epoch") != 1:
            pass
    shown = await served.json("GET", f"/v1/tasks/{task}")
    assert shown["state"] == "open"
    assert [line["type"] for line in shown["history"]] == ["offer", "claim", "award", "reopen"]
    assert not served.host.node.claimant.agents


async def test_a_lost_claim_is_told(served: Served) -> None:
    async with agent(served, "lost") as events:
        task = await served.post("lost")
        _, start = await events()
        await served.json("POST", f"/v1/tasks/{task}/cancel", params={"reason": "no"})
        assert await events() == (
            "stop", {"claim": start["claim"], "reason": "the task has ended"})
        place = f"/v1/claims/{start['claim']}"
        assert "no agent of this node" in await served.refusal("POST", f"{place}/result", 404)


async def test_a_release_gives_the_task_back(served: Served) -> None:
    async with agent(served, "back") as events:
        task = await served.post("back")
        _, start = await events()
        place = f"/v1/claims/{start['claim']}"
        await served.json("POST", f"{place}/release", params={"reason": "not now"})
        shown = await served.json("GET", f"/v1/tasks/{task}")
        assert "reopened after epoch 0 (released): not now" in {
            line["what"] for line in shown["history"]}


async def drained(events: Events) -> None:
    while await events():
        pass


async def test_the_end_closes_every_stream_at_once(served: Served) -> None:
    async with (
        stream(served, "/v1/events") as notices, agent(served, "end") as events,
        trio.open_nursery() as nursery,
    ):
        task = await served.post("nobody")
        nursery.start_soon(served.http.get, f"/v1/tasks/{task}/result?wait_ms=60000")
        while not (await served.json("GET", "/v1/status"))["waiting"]:
            await trio.lowlevel.checkpoint()
        served.closing.set()
        with pytest.raises(trio.EndOfChannel):
            await events()
        with pytest.raises(trio.EndOfChannel):
            await drained(notices)
        with trio.fail_after(LIMIT_S):
            await served.closed.wait()
    assert not served.host.home.socket_path().exists()


async def test_stop_asks_the_host_to_stop(served: Served) -> None:
    await served.json("POST", "/v1/stop", 202)
    with trio.fail_after(LIMIT_S):
        await served.host.wait_stop()
