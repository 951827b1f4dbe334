"""``orders sandbox …``: starting a stand-in, loading genuine payloads into it, moving its orders on, breaking it.

What lives here: the commands and how they find a running sandbox. What does not: the sandboxes themselves.

A running sandbox writes its address to ``<ORDERS_HOME>/sandbox/<kind>.json``. Payloads that are loaded while none is
running are kept in ``<ORDERS_HOME>/sandbox/<kind>/``; every later ``serve`` loads what lies there.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import httpx
import typer
from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

from orders_pipeline.sandbox import loading, server
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest, Sandbox
from orders_pipeline.sandbox.faults import FaultKind
from orders_pipeline.sandbox.json_values import JsonValue
from orders_pipeline.sandbox.registry import SANDBOXES

REQUEST_SECONDS = 60.0
PROBE_SECONDS = 2.0

sandbox = typer.Typer(name="sandbox", help="Local stand-ins of the marketplaces.", no_args_is_help=True)
_notes = Console(stderr=True, highlight=False)
_output = Console(highlight=False)


def _known(kind: str) -> str:
    if kind not in SANDBOXES:
        raise typer.BadParameter(f"there is no stand-in of {kind!r}; there are: {', '.join(SANDBOXES)}")
    return kind


def _all_known(kinds: list[str]) -> list[str]:
    return [_known(each) for each in kinds]


KindArgument = Annotated[str, typer.Argument(help="Kind of marketplace.", callback=_known)]
UrlOption = Annotated[str | None, typer.Option(help="Address of the sandbox; without it the running one.")]


@sandbox.command()
def serve(
    kinds: Annotated[list[str], typer.Argument(help="Kinds of marketplaces.", callback=_all_known)],
    port: Annotated[
        list[int] | None,
        typer.Option(help="Port, one for each kind in their order; 0 for a free one; without one the kind's own."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is made up.")] = 1,
    orders: Annotated[int, typer.Option(help="How many orders each makes up at the start.")] = 0,
    rate_factor: Annotated[float, typer.Option(help="Multiplies the marketplace's call rates; inf: no limit.")] = 1.0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = server.LOOPBACK,
) -> None:
    """Run stand-ins in the foreground until they are interrupted, all in one process."""
    ports: Sequence[int | None] = [*(port or ()), *[None] * len(kinds)]
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        for kind, own in zip(kinds, ports, strict=False):
            state, app = build(kind, seed, rate_factor)
            for path in _kept_files(kind):
                _load_kept(state, path)
            if orders:
                state.generate(GenerateRequest(orders=orders))
            url = stack.enter_context(server.running(app, host, state.port if own is None else own))
            stack.enter_context(_announced(kind, url))
            _print_welcome(kind, url, state)
        with suppress(KeyboardInterrupt):
            while True:
                signal.pause()


@sandbox.command()
def load(
    kind: KindArgument,
    files: Annotated[list[Path], typer.Argument(help="Payload files: pages, single orders, lists of orders.")],
    url: UrlOption = None,
) -> None:
    """Put genuine payload files into the running sandbox, or keep them for the next one."""
    target = url or running_url(kind)
    is_good = True
    for path in files:
        try:
            payload = loading.read_file(path)
            found = SANDBOXES[kind].read(payload, str(path))
            if target:
                _send(target, path, payload)
                where = f"loaded into the running sandbox at {target}"
            else:
                where = f"no sandbox is running: kept as {_keep(kind, path)}, the next serve loads it"
        except loading.PayloadError as error:
            _notes.print(f"{error} (nothing of this file was loaded)", style="red", markup=False, soft_wrap=True)
            is_good = False
            continue
        counts = f"{len(found.orders)} orders, {len(found.shipments)} shipments"
        _notes.print(f"{path}: {counts}; {where}", markup=False, soft_wrap=True)
    if not is_good:
        raise typer.Exit(1)


@sandbox.command()
def advance(
    kind: KindArgument,
    action: Annotated[str, typer.Argument(help="What happens, such as pay, ship, cancel.")],
    orders: Annotated[list[str] | None, typer.Argument(help="Order ids; none: every order that it fits.")] = None,
    count: Annotated[int | None, typer.Option(help="At most this many orders.")] = None,
    url: UrlOption = None,
) -> None:
    """Move orders of the running sandbox on."""
    body = {"action": action, "order_ids": orders or [], "count": count}
    result = _post(_required_url(kind, url), "advance", body)
    _notes.print(f"{len(result['advanced'])} advanced, {len(result['refused'])} refused")
    _output.print_json(json.dumps(result))


@sandbox.command()
def faults(
    kind: KindArgument,
    fault: Annotated[FaultKind | None, typer.Argument(help="What goes wrong; none: list what is in force.")] = None,
    operation: Annotated[str, typer.Option(help="Operation that it hits; * for all.")] = "*",
    count: Annotated[int, typer.Option(help="How many calls it hits; 0: all.")] = 1,
    after: Annotated[int, typer.Option(help="So many calls pass first.")] = 0,
    clear: Annotated[bool, typer.Option("--clear", help="Lift all faults.")] = False,  # noqa: FBT002 - a flag of a command
    url: UrlOption = None,
) -> None:
    """Let calls to the running sandbox go wrong."""
    target = _required_url(kind, url)
    if clear:
        lifted = httpx.delete(f"{target}/_sandbox/faults", timeout=REQUEST_SECONDS).json()["lifted"]
        _notes.print(f"{lifted} faults lifted")
    if fault is not None:
        _post(target, "faults", {"kind": fault, "operation": operation, "count": count or None, "after": after})
    _output.print_json(httpx.get(f"{target}/_sandbox/faults", timeout=REQUEST_SECONDS).text)


def build(kind: str, seed: int = 1, rate_factor: float = 1.0) -> tuple[Sandbox, FastAPI]:
    """Return a sandbox and its application."""
    state = SANDBOXES[kind].in_foreground(seed, rate_factor)
    return state, create_app(state)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def home() -> Path:
    """Return the folder of everything that the sandboxes write."""
    return Path(os.environ.get("ORDERS_HOME", "./data")) / "sandbox"


def running_url(kind: str) -> str | None:
    """Return the address of the running sandbox; None when there is none, also when its address file is stale."""
    try:
        url = str(json.loads((home() / f"{kind}.json").read_text("utf-8"))["url"])
        answer = httpx.get(f"{url}/_sandbox", timeout=PROBE_SECONDS)
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url if answer.status_code == httpx.codes.OK and answer.json().get("kind") == kind else None


def _required_url(kind: str, url: str | None) -> str:
    found = url or running_url(kind)
    if found is None:
        _notes.print(f"no {kind} sandbox is running; start one with: orders sandbox serve {kind}", style="red")
        raise typer.Exit(1)
    return found


def _post(url: str, route: str, body: dict[str, Any]) -> JsonValue:
    answer = httpx.post(f"{url}/_sandbox/{route}", json=body, timeout=REQUEST_SECONDS)
    if answer.is_error:
        _notes.print(f"the sandbox refused: {answer.text}", style="red", markup=False)
        raise typer.Exit(1)
    return answer.json()


def _send(url: str, path: Path, payload: JsonValue) -> None:
    try:
        answer = httpx.post(
            f"{url}/_sandbox/load", json={"name": str(path), "payload": payload}, timeout=REQUEST_SECONDS
        )
    except httpx.HTTPError as error:
        raise loading.PayloadError(str(path), "$", f"the sandbox at {url} could not be reached: {error}") from error
    if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        problem = answer.json()
        raise loading.PayloadError(problem["file"], problem["path"], problem["message"])
    if answer.is_error:
        raise loading.PayloadError(str(path), "$", f"the sandbox answered {answer.status_code}")


def _keep(kind: str, path: Path) -> Path:
    folder = home() / kind
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.iterdir())) + 1
    kept = folder / f"{number:04d}-{path.name}"
    partial = kept.with_suffix(".partial")
    partial.write_bytes(path.read_bytes())
    partial.replace(kept)
    return kept


def _kept_files(kind: str) -> list[Path]:
    folder = home() / kind
    kept = sorted(path for path in folder.iterdir() if path.suffix != ".partial") if folder.is_dir() else []
    # Shipments need their orders to be there, whatever order the files came in.
    return sorted(kept, key=lambda path: _holds_shipments(kind, path))


def _holds_shipments(kind: str, path: Path) -> bool:
    try:
        return bool(SANDBOXES[kind].read(loading.read_file(path), str(path)).shipments)
    except loading.PayloadError:
        return False


def _load_kept(state: Sandbox, path: Path) -> None:
    try:
        result = state.load(loading.read_file(path), str(path))
    except loading.PayloadError as error:
        _notes.print(f"{error} (nothing of this file was loaded)", style="red", markup=False, soft_wrap=True)
        return
    _notes.print(f"{path}: {result['orders']} orders, {result['shipments']} shipments loaded", soft_wrap=True)


@contextmanager
def _announced(kind: str, url: str) -> Iterator[None]:
    """Leave the address where ``load`` and the pipeline's demo find it, as long as the sandbox runs."""
    path = home() / f"{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"kind": kind, "url": url, "pid": os.getpid()}), "utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _print_welcome(kind: str, url: str, state: Sandbox) -> None:
    _notes.print(f"{kind} sandbox at {url} with {len(state.order_ids())} orders", soft_wrap=True)
    _notes.print(f"  control endpoint {url}/_sandbox, documented at {url}/_sandbox/docs", soft_wrap=True)
    table = Table("account", "selectors", "credentials", box=None, pad_edge=False)
    for each in state.accesses():
        secrets = [f"{name} {value}" for name, value in each.credentials.items()]
        table.add_row(each.account, " ".join(each.selectors), "\n".join(secrets))
    _notes.print(table)
