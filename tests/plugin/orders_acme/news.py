"""Acme's news: numbers of orders that have changed, each shown until it is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from orders_acme.declared import AcmeSettings
from orders_pipeline.marketplaces.errors import MarketplaceError, judge_status
from orders_pipeline.marketplaces.hints import Hint, HintFate
from orders_pipeline.marketplaces.http import BoundedClient, reading
from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import Finding
from orders_pipeline.marketplaces.settings import read_settings
from orders_pipeline.marketplaces.tls import secure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.marketplaces.protocol import ConnectionContext


class AcmeNews:
    """What has changed at one connection; Acme does not say when."""

    def __init__(self, context: ConnectionContext) -> None:
        settings = read_settings(AcmeSettings, context.settings)
        headers = {"X-Api-Key": context.credentials.get("api_key", "")}
        self._http = BoundedClient(settings, secure(context.endpoint or ""), headers)

    def receive(self) -> Sequence[Hint]:
        news = parse(self._ask("GET").content)["news"]
        return [
            Hint(str(each["id"]), HintFate.KEPT if isinstance(each["order"], str) else HintFate.UNREADABLE)
            for each in news
        ]

    def discard(self, receipts: Sequence[str]) -> None:
        self._ask("DELETE", ",".join(receipts))

    def test(self) -> Finding:
        try:
            self._ask("GET")
        except MarketplaceError as error:
            return Finding("hints", is_ok=False, message=error.message, hint=error.hint)
        return Finding("hints", is_ok=True, message="Acme tells its news")

    def close(self) -> None:
        self._http.close()

    def _ask(self, method: str, ids: str = "") -> httpx.Response:
        with reading("news"):
            response = self._http.request(method, "/news", params={"ids": ids})
        error = judge_status(response.status_code, "news", "", None)
        if error is not None:
            raise error
        return response
