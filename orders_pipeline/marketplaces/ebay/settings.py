"""What an eBay connection is given: settings and credentials."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orders_pipeline.marketplaces.settings import HttpSettings, SecureAddress
from warehouse.marketplace_kinds import Credential, Selector

API = {"production": "https://api.ebay.com", "sandbox": "https://api.sandbox.ebay.com"}
CONSENT = {"production": "https://auth.ebay.com", "sandbox": "https://auth.sandbox.ebay.com"}

CONSENT_DAYS = 540
"""The seller's consent ends after about eighteen months."""

DELETION_TOKEN, DELETION_ADDRESS = "deletion_token", "deletion_address"

CREDENTIALS = (
    Credential(name="client_id", meaning="App ID of the keyset in eBay's Developer Program."),
    Credential(name="client_secret", meaning="Cert ID of the same keyset."),
    Credential(
        name="refresh_token",
        meaning="The seller's consent: `orders connections authorise` fetches it.",
        lifetime_days=CONSENT_DAYS,
    ),
    Credential(
        name="signing_key",
        meaning="Private Ed25519 key of eBay's Key Management API, which sellers in the EU and the UK need to cancel.",
        is_required=False,
    ),
    Credential(name="signing_jwe", meaning="The JWE that belongs to the signing key.", is_required=False),
    Credential(
        name=DELETION_TOKEN,
        meaning="Verification token of account deletion notices, 32 to 80 signs that you make up: a secret.",
        is_required=False,
    ),
)

_SITES = {
    "EBAY_AT": "Austria",
    "EBAY_AU": "Australia",
    "EBAY_BE": "Belgium",
    "EBAY_CA": "Canada",
    "EBAY_CH": "Switzerland",
    "EBAY_DE": "Germany",
    "EBAY_ES": "Spain",
    "EBAY_FR": "France",
    "EBAY_GB": "United Kingdom",
    "EBAY_HK": "Hong Kong",
    "EBAY_IE": "Ireland",
    "EBAY_IT": "Italy",
    "EBAY_MOTORS_US": "United States, Motors",
    "EBAY_MY": "Malaysia",
    "EBAY_NL": "Netherlands",
    "EBAY_PH": "Philippines",
    "EBAY_PL": "Poland",
    "EBAY_SG": "Singapore",
    "EBAY_TW": "Taiwan",
    "EBAY_US": "United States",
}
SITES = tuple(Selector(value=code, label=f"eBay {country}") for code, country in _SITES.items())


class EbaySettings(HttpSettings):
    """The settings of a connection."""

    environment: Literal["production", "sandbox"] = Field(
        "production", description="Where its keys belong to; `endpoint` overrides the address."
    )
    redirect_name: str | None = Field(
        None, min_length=1, description="The keyset's RuName, which `orders connections authorise` needs."
    )
    deletion_address: SecureAddress | None = Field(
        None,
        description="Where eBay tells of deleted accounts: the public address of `/v1/account-deletions/` and the "
        "connection's code, letter by letter as eBay has it.",
    )
    site: str = Field("EBAY_US", min_length=1, description="The seller's own site, told with cancellations.")
