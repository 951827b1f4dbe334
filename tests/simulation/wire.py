"""The network between our machine and the marketplaces: httpx's transport, answered by the sandboxes in this very thread.

What lives here: how a request finds its sandbox, and what can happen to it on the way. What does not: what a marketplace
answers, which is the sandbox's matter, as are its own faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import parse_qsl

import httpx
from starlette.routing import compile_path

from orders_pipeline.sandbox.engine import Call, Operation, Sandbox, http_date

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

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Carry one request there and its answer back; either may get lost."""
        host = request.url.host
        sandbox = self._hosts.get(host)
        if sandbox is None or host in self.cut:
            raise httpx.ConnectError(f"no route to {host}", request=request)
        self._reach("before a call")
        outcome = sandbox.take(self._call(sandbox, host, request))
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
