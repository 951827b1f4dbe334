"""Who bought an order of Mirakl, and where it goes. Addresses of any marketplace are cleaned in `marketplaces.addresses`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orders_pipeline.marketplaces.addresses import cleaned, phone
from orders_pipeline.marketplaces.countries import country_code, from_alpha_3
from orders_pipeline.marketplaces.reading import section, text
from warehouse.order_parts import Address, Customer, OrderProblem

if TYPE_CHECKING:
    from orders_pipeline.marketplaces.reading import JsonObject

# French operators call overseas zones DOM and COM, which ISO gives to the Dominican Republic and the Comoros.
ZONES_THAT_ARE_NO_COUNTRY = frozenset({"DOM", "COM"})


class People(NamedTuple):
    """The buyer, both addresses, and whether a company bought."""

    customer: Customer
    shipping_address: Address
    billing_address: Address
    is_business: bool


def read_people(order: JsonObject, problems: list[OrderProblem]) -> People:
    """Read them; a country that nobody knows is a problem.

    Raises:
        Unreadable: A member has the wrong type.
    """
    sent = section(order, "customer", "$")
    organization = section(sent, "organization", "$.customer")
    zone = text(order, "shipping_zone_code", "$")
    zone_country = None if zone is None or zone in ZONES_THAT_ARE_NO_COUNTRY else from_alpha_3(zone)
    shipping = _address(sent, "shipping_address", zone_country, problems)
    billing = _address(sent, "billing_address", None, problems)
    company = text(organization, "name", "$.customer.organization")
    if company is None and sent.get("shipping_address"):
        company = text(sent["shipping_address"], "company", "$.customer.shipping_address")
    customer = Customer(
        name=_joined(text(sent, "firstname", "$.customer"), text(sent, "lastname", "$.customer"), " ") or shipping.name,
        email=text(order, "customer_notification_email", "$"),
        phone=shipping.phone,
        company=company,
    )
    return People(customer, shipping, billing, bool(organization))


def _address(customer: JsonObject, key: str, zone_country: str | None, problems: list[OrderProblem]) -> Address:
    """An address; empty while the marketplace withholds it, which is normal before acceptance and debit."""
    of = section(customer, key, "$.customer")
    if not of:
        return Address()
    path = f"$.customer.{key}"
    sent = text(of, "country_iso_code", path), text(of, "country", path)
    country = country_code(*sent) or zone_country
    if country is None and any(sent):
        message = "neither a country code nor a known country name"
        problems.append(OrderProblem(code="country_unknown", path=f"{path}.country", message=message))
    return cleaned(
        Address(
            name=_joined(text(of, "firstname", path), text(of, "lastname", path), " "),
            company=_joined(text(of, "company", path), text(of, "company_2", path), ", "),
            line_1=text(of, "street_1", path),
            line_2=text(of, "street_2", path),
            line_3=text(of, "additional_info", path),
            postal_code=text(of, "zip_code", path),
            city=text(of, "city", path),
            state=text(of, "state", path),
            country_code=country,
            source_country=sent[0] or sent[1],
            phone=phone(text(of, "phone", path)) or text(of, "phone_secondary", path),
        )
    )


def _joined(first: str | None, second: str | None, separator: str) -> str | None:
    return f"{first}{separator}{second}" if first and second else first or second
