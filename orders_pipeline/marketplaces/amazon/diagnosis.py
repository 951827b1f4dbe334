"""A connection test's answers: what the set-up and one probing page say about credential, region, role and clock.

Pure: the calls are made in `client`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.amazon.sites import ENDPOINTS, SELECTORS, SITES
from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Throttled, Unauthorised
from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orders_pipeline.marketplaces.protocol import RawOrder

MAX_SKEW = timedelta(seconds=60)

_ROLE_HINT = "grant the role Direct-to-Consumer Delivery (Restricted), authorise again, store the new refresh token"


def region_finding(region: str | None, endpoint: str | None) -> Finding:
    """Whether the region is one of Amazon's; with an endpoint of its own a connection needs none."""
    if region in ENDPOINTS:
        return Finding("region", is_ok=True, message=f"region {region}")
    if region is None and endpoint is not None:
        return Finding("region", is_ok=True, message="no region; the endpoint is given")
    said = "no region is set" if region is None else f"Amazon has no region {region!r}"
    return Finding("region", is_ok=False, message=said, hint=f"use one of {', '.join(ENDPOINTS)}")


def marketplace_findings(selectors: Sequence[str], region: str | None) -> list[Finding]:
    """One finding per marketplace id that is wrong or unknown, else one for all of them."""
    if not selectors:
        said = "no channel of this connection is to be pulled"
        return [Finding("marketplace_id", is_ok=False, message=said, hint="add a channel with its marketplace id")]
    findings = [found for each in selectors if (found := _marketplace_finding(each, region)) is not None]
    labels = ", ".join(SITES[each].label for each in selectors if each in SITES)
    return findings or [Finding("marketplace_id", is_ok=True, message=labels)]


def _marketplace_finding(marketplace_id: str, region: str | None) -> Finding | None:
    site = SITES.get(marketplace_id)
    if site is None:
        said = f"{marketplace_id} is no marketplace id known here"
        return Finding(
            "marketplace_id", is_ok=False, message=said, hint="compare it with Amazon's list of marketplace ids"
        )
    fault = SELECTORS.fault(marketplace_id, region)
    if fault is not None:
        hint = "Amazon answers such an id with nothing or a refusal: give it a connection of its own region"
        return Finding("marketplace_id", is_ok=False, message=fault, hint=hint)
    return None


def credential_finding(error: MarketplaceError | None) -> Finding:
    """What Login with Amazon says of the credentials; an address that is not used says nothing of them."""
    if error is None:
        return Finding("credential", is_ok=True, message="Login with Amazon gives an access token")
    if isinstance(error, Permanent) and error.code.startswith("endpoint_"):
        return refusal_finding(error)
    said = error.message if isinstance(error, Unauthorised) else f"could not be tested: {error.message}"
    return Finding("credential", is_ok=False, message=said, hint=error.hint)


def refusal_finding(error: MarketplaceError) -> Finding:
    """What a failed probe means."""
    match error:
        case Throttled():
            said = f"reachable, but over quota ({error.message}): roles and marketplaces could not be tested"
            return Finding("endpoint", is_ok=True, message=said)
        case Unauthorised():
            return Finding("role", is_ok=False, message=error.message, hint=_ROLE_HINT)
        case Permanent(code="wrong_region"):
            return Finding("marketplace_id", is_ok=False, message=error.message, hint=error.hint)
        case _:
            return Finding("endpoint", is_ok=False, message=error.message, hint=error.hint)


def role_finding(orders: Sequence[RawOrder], degraded: Sequence[str]) -> Finding:
    """Whether the seller's own orders come with their buyers: without the role those members are just absent."""
    if degraded:
        said = f"Amazon refuses to send {', '.join(degraded)}"
        return Finding("role", is_ok=False, message=said, hint="it may be an outage of Amazon's: test again later")
    if not orders:
        return Finding("role", is_ok=True, message="inconclusive: no order that should carry personal data was found")
    if any(_has_buyer(order) for order in orders):
        return Finding("role", is_ok=True, message="orders come with name and address")
    said = f"none of {len(orders)} orders that should carry a name and an address does"
    return Finding("role", is_ok=False, message=said, hint=_ROLE_HINT)


def clock_finding(theirs: datetime | None, ours: datetime) -> Finding:
    """Whether this machine's clock agrees with Amazon's."""
    if theirs is None:
        return Finding("clock", is_ok=True, message="inconclusive: the answer told no time")
    skew = ours - theirs
    side = "ahead of" if skew > timedelta() else "behind"
    said = f"this machine's clock is {abs(skew.total_seconds()):.0f} s {side} Amazon's"
    is_ok = abs(skew) <= MAX_SKEW
    return Finding("clock", is_ok=is_ok, message=said, hint="" if is_ok else "synchronise this machine's clock (NTP)")


def _has_buyer(order: RawOrder) -> bool:
    sent = parse(order.body)
    address = _part(_part(sent, "recipient"), "deliveryAddress")
    found = (_part(_part(sent, "buyer"), "buyerEmail"), _part(address, "name"), _part(address, "addressLine1"))
    return any(found)


def _part(of: Any, key: str) -> Any:  # noqa: ANN401 - any JSON value
    return of.get(key) if isinstance(of, dict) else None
