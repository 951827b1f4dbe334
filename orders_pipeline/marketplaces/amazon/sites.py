"""Amazon's sites: marketplace ids, their countries, web domains and API regions, and each region's endpoint.

Facts only; nothing is asked over the network and nothing is decided here. The ids are those of
https://developer-docs.amazon.com/sp-api/docs/marketplace-ids.
"""

from __future__ import annotations

from dataclasses import dataclass

from warehouse.marketplace_kinds import Selector, Selectors

ENDPOINTS = {
    "eu": "https://sellingpartnerapi-eu.amazon.com",
    "na": "https://sellingpartnerapi-na.amazon.com",
    "fe": "https://sellingpartnerapi-fe.amazon.com",
}
"""API base URL per region word; `eu` also serves the Middle East, Africa and India."""

LWA_ENDPOINT = "https://api.amazon.com"
"""Login with Amazon, where access tokens come from; the same for every region."""


@dataclass(frozen=True, slots=True)
class Site:
    """One Amazon site. `region` is a key of `ENDPOINTS`, `country_code` is ISO 3166 alpha-2."""

    marketplace_id: str
    country_code: str
    domain: str
    region: str
    label: str


SITES: dict[str, Site] = {
    site.marketplace_id: site
    for site in (
        Site("A13V1IB3VIYZZH", "FR", "amazon.fr", "eu", "Amazon FR"),
        Site("A1PA6795UKMFR9", "DE", "amazon.de", "eu", "Amazon DE"),
        Site("A1RKKUPIHCS9HS", "ES", "amazon.es", "eu", "Amazon ES"),
        Site("APJ6JRA9NG5V4", "IT", "amazon.it", "eu", "Amazon IT"),
        Site("A1F83G8C2ARO7P", "GB", "amazon.co.uk", "eu", "Amazon UK"),
        Site("A28R8C7NBKEWEA", "IE", "amazon.ie", "eu", "Amazon IE"),
        Site("A1805IZSGTT6HS", "NL", "amazon.nl", "eu", "Amazon NL"),
        Site("AMEN7PMS3EDWL", "BE", "amazon.com.be", "eu", "Amazon BE"),
        Site("A2NODRKZP88ZB9", "SE", "amazon.se", "eu", "Amazon SE"),
        Site("A1C3SOZRARQ6R3", "PL", "amazon.pl", "eu", "Amazon PL"),
        Site("A33AVAJ2PDY3EV", "TR", "amazon.com.tr", "eu", "Amazon TR"),
        Site("ARBP9OOSHTCHU", "EG", "amazon.eg", "eu", "Amazon EG"),
        Site("A17E79C6D8DWNP", "SA", "amazon.sa", "eu", "Amazon SA"),
        Site("A2VIGQ35RCS4UG", "AE", "amazon.ae", "eu", "Amazon AE"),
        Site("AE08WJ6YKNBMC", "ZA", "amazon.co.za", "eu", "Amazon ZA"),
        Site("A21TJRUUN4KGV", "IN", "amazon.in", "eu", "Amazon IN"),
        Site("ATVPDKIKX0DER", "US", "amazon.com", "na", "Amazon US"),
        Site("A2EUQ1WTGCTBG2", "CA", "amazon.ca", "na", "Amazon CA"),
        Site("A1AM78C64UM0Y8", "MX", "amazon.com.mx", "na", "Amazon MX"),
        Site("A2Q3Y263D00KWC", "BR", "amazon.com.br", "na", "Amazon BR"),
        Site("A1VC38T7YXB528", "JP", "amazon.co.jp", "fe", "Amazon JP"),
        Site("A39IBJ37TRP1C6", "AU", "amazon.com.au", "fe", "Amazon AU"),
        Site("A19VAU5U5O7RUS", "SG", "amazon.sg", "fe", "Amazon SG"),
    )
}
"""Every site known, by marketplace id. An id that is not here still works; only links and the region check need it."""


SELECTORS = Selectors(
    meaning="marketplace id",
    is_required=True,
    known=tuple(Selector(value=each.marketplace_id, label=each.label, region=each.region) for each in SITES.values()),
)
"""Amazon answers an id of another region with an empty list: it would look as if there were no orders."""
