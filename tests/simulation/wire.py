"""The network between our machine and the marketplaces: httpx's transport, answered by the sandboxes in this very thread.

What lives here: how a request finds its sandbox, and what can happen to it on the way. What does not: what a marketplace
answers, which is the sandbox's matter, as are its own faults.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import parse_qsl

import httpx
from starlette.routing import compile_path

from orders_pipeline.sandbox.engine import Call, Operation, Sandbox, SandboxOutcome, http_date

READ_TIMEOUT = 60.0


class Wire:
    """Hosts and who answers there."""

    def __init__(
        self, hosts: Mapping[str, Sandbox], reach: Callable[[str], None], advance: Callable[[timedelta], None]
    ) -> None:
        self._hosts = hosts
        self._reach = reach
        self._advance = advance
        self._routes = {
            host: [(compile_path(each.path)[0], each) for each in sandbox.operations] for host, sandbox in hosts.items()
        }
        self.cut: set[str] = set()
        """Hosts that cannot be reached."""
        self.forgetful: set[str] = set()
        """Hosts that will say that they have taken the next package, and lose it."""

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Carry one request there and its answer back; either may get lost."""
        host = request.url.host
        sandbox = self._hosts.get(host)
        if sandbox is None or host in self.cut:
            raise httpx.ConnectError(f"no route to {host}", request=request)
        self._reach("before a call")
        call = self._call(sandbox, host, request)
        outcome = self._lost(sandbox, host, call) if host in self.forgetful else sandbox.take(call)
        self._advance(timedelta(seconds=min(outcome.delay_seconds, READ_TIMEOUT)))
        if outcome.delay_seconds >= READ_TIMEOUT:
            raise httpx.ReadTimeout("no answer in time", request=request)
        if outcome.is_dropped:
            raise httpx.RemoteProtocolError("the connection was cut", request=request)
        self._reach("after a call")
        headers = {"Date": http_date(sandbox.now), **outcome.headers}
        if outcome.content:
            headers["Content-Type"] = outcome.media_type
        return httpx.Response(outcome.status, headers=headers, content=outcome.content, request=request)

    def _lost(self, sandbox: Sandbox, host: str, call: Call) -> SandboxOutcome:
        """Work a call off; when it made a package, everything but the answer is undone."""
        if call.operation.method == "GET":
            return sandbox.take(call)
        before, records = _packages(sandbox), copy.deepcopy(sandbox.records)
        outcome = sandbox.take(call)
        if _packages(sandbox) > before:
            sandbox.records = records
            self.forgetful.discard(host)
        return outcome

    def _call(self, sandbox: Sandbox, host: str, request: httpx.Request) -> Call:
        operation, parameters = self._found(host, request)
        return Call(
            operation=operation,
            request_id=sandbox.request_id(),
            at=sandbox.now,
            path=request.url.path,
            path_parameters=parameters,
            query=tuple(parse_qsl(request.url.query.decode(), keep_blank_values=True)),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.read(),
        )

    def _found(self, host: str, request: httpx.Request) -> tuple[Operation, dict[str, str]]:
        for pattern, operation in self._routes[host]:
            match = pattern.fullmatch(request.url.path)
            if match and operation.method == request.method:
                return operation, match.groupdict()
        raise AssertionError(f"the sandbox at {host} has no {request.method} {request.url.path}")


def _packages(sandbox: Sandbox) -> int:
    return sum(len(each.packages) for each in sandbox.held())
