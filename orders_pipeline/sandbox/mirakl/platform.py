"""What a Mirakl operator says about itself and about a shop: PC01, A01, SH21 and the version.

What lives here: the operator's switches and the answers built from them. What does not: orders and shipments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from orders_pipeline.sandbox.clock import iso_seconds
from orders_pipeline.sandbox.mirakl.orders import CARRIERS, MiraklChannel, ShopTraits

VERSION = "3.999.0"
OPERATOR = "Sandbox Operator"


@dataclass(frozen=True)
class Features:
    """The operator's switches.

    Attributes:
        multi_shipment: Shipments by ST01 (several per order), else only OR23 and OR24.
        order_acceptance: Whether shops accept orders themselves.
        addresses_before_acceptance: Whether addresses show before acceptance and debit.
        partial_acceptance: Whether an order may be accepted in part.
        tracking_mandatory_types: Shipping types that cannot be shipped without tracking.
        alternative_carriers: Whether carriers that are not registered are taken by their name.
        old_instance: Old releases' manners: empty texts instead of nulls, no tax mode, no fulfilment.
        debit_after_seconds: The customer is debited so long after acceptance; None: only when told to.
        lowers_quantity_on_cancellation: Whether a cancelled quantity leaves the line's quantity too; it leaves its price.
        update_delta_seconds: How far ``start_update_date`` is moved back, so that nothing is missed.
    """

    multi_shipment: bool = True
    order_acceptance: Literal["AUTOMATIC", "NOT_AUTOMATIC", "BOTH"] = "NOT_AUTOMATIC"
    addresses_before_acceptance: bool = False
    partial_acceptance: bool = True
    tracking_mandatory_types: tuple[str, ...] = ("EXP",)
    alternative_carriers: bool = True
    old_instance: bool = False
    debit_after_seconds: float | None = None
    lowers_quantity_on_cancellation: bool = False
    update_delta_seconds: float = 60.0


@dataclass
class MiraklShop:
    """One shop of the operator, and the API key of its user."""

    shop_id: int
    name: str
    api_key: str
    channels: tuple[MiraklChannel, ...]
    tax_mode: Literal["TAX_INCLUDED", "TAX_EXCLUDED"] = "TAX_INCLUDED"
    currency: str = "EUR"
    is_revoked: bool = False

    def traits(self, features: Features) -> ShopTraits:
        """Return what of the shop shows in its orders."""
        return ShopTraits(self.channels, self.tax_mode, self.currency, features.multi_shipment)


def version() -> dict[str, Any]:
    """Return the answer of the health check."""
    return {"version": VERSION}


def carriers() -> dict[str, Any]:
    """Return SH21: the registered carriers."""
    return {
        "carriers": [
            {"code": code, "label": label, "standard_code": code, "tracking_url": url}
            for code, (label, url) in CARRIERS.items()
        ]
    }


def account(shop: MiraklShop, orders: int, now: datetime) -> dict[str, Any]:
    """Return A01: the shop. Its channels include those that loaded orders brought along."""
    return {
        "shop_id": shop.shop_id,
        "shop_name": shop.name,
        "shop_state": "OPEN",
        "model": "MARKETPLACE",
        "channels": [channel.code for channel in shop.channels],
        "currency_iso_code": shop.currency,
        "date_created": "2024-01-01T08:00:00Z",
        "last_updated_date": iso_seconds(now),
        "description": None,
        "is_professional": True,
        "premium": False,
        "free_shipping": False,
        "domains": ["PRODUCT"],
        "evaluations_count": 0,
        "grade": None,
        "offers_count": 400,
        "orders_count": orders,
        "payment_method_mandatory": False,
        "payment_details": {"paid_balance": 0.0, "payable_balance": 0.0, "pending_balance": 0.0},
        "billing_info": None,
        "contact_informations": {
            "city": "Nantes",
            "civility": "Mrs",
            "country": "FRA",
            "email": f"shop-{shop.shop_id}@shop.example",
            "firstname": "Noémie",
            "lastname": "Exemple",
            "street1": "1 rue des Tilleuls",
            "zip_code": "44000",
        },
        "default_billing_information": {
            "id": f"billing-{shop.shop_id}",
            "default_language": "fr_FR",
            "registration_address": {
                "city": "Nantes",
                "country_iso_code": "FRA",
                "street_1": "1 rue des Tilleuls",
                "zip_code": "44000",
            },
        },
        "pro_details": {"corporate_name": shop.name},
        "shipping": {"lead_time_to_ship": 2},
        "shipping_country": "FRA",
        "shipping_types": ["STD", "EXP", "PUDO"],
        "shipping_zones": sorted({channel.country for channel in shop.channels}),
        "shippings": [],
        "shop_additional_fields": [],
    }


def configuration(shop: MiraklShop, features: Features) -> dict[str, Any]:
    """Return PC01: what the platform has switched on."""
    return {
        "platform_name": OPERATOR,
        "tenant_name": "sandbox",
        "timezone": "UTC",
        "features": {**_order_features(shop, features), **_other_features()},
        "modules": {
            "mirakl_catalog_integrator": True,
            "mirakl_catalog_manager": False,
            "mirakl_catalog_transformer": False,
            "mirakl_platform_services": False,
            "offer_management": True,
            "order_management": True,
            "promotions": False,
            "quotes": False,
            "tax_manager": {"activated": False, "tax_provider": {"avalara": False, "vertex": False}},
        },
        "platform_configuration": {
            "customer_model": {"b2b": True, "b2c": True},
            "enhanced_seller_invoicing": {"enabled": False},
            "platform_model": {"drop_ship": False, "marketplace": True, "one_creditor": False},
        },
    }


def _order_features(shop: MiraklShop, features: Features) -> dict[str, Any]:
    return {
        "order_tax_mode": shop.tax_mode,
        "order_workflows": {
            "no_customer_payment_confirmation": False,
            "order_acceptance": features.order_acceptance,
            "pause_debit_workflow": False,
            "pay_on_due_date": True,
            "pay_on_shipment": True,
            "sellers_edit_shipping_origin": False,
            "shipping_and_billing_details_before_acceptance": features.addresses_before_acceptance,
        },
        "shipment": {
            "multi_part_item_shipment": False,
            "multi_shipment": features.multi_shipment,
        },
        "disable_seller_alternative_carrier": not features.alternative_carriers,
        "returns": {"drop_ship": False, "marketplace": True, "one_creditor": False},
    }


def _other_features() -> dict[str, Any]:
    return {
        "catalog": {
            "allow_shop_contribution_to_all_channels": False,
            "exclude_invalid_products": False,
            "list_of_multiple_values_separator": "|",
            "product_acceptance_by_channel": False,
            "product_data_validation_by_channel": False,
            "product_import_only_on_leaf": True,
        },
        "circular_economy_data_collection": False,
        "competitive_pricing_tool": False,
        "direct_payment_customer_store": {"activated": False, "refund_cancel_authorized": False},
        "dropship": {"retail_pricing_enabled": False},
        "kyc_status_per_seller": False,
        "lead_time_to_ship_by_sellers_enabled": "YES",
        "multi_currency": False,
        "multi_payout_psp_per_seller": False,
        "no_reply_needed": False,
        "offer_prices_decimals": "2",
        "operator_csv_delimiter": "SEMICOLON",
        "order_conditions": {
            "lead_time_to_ship": True,
            "maximum_order_quantity": False,
            "minimum_order_quantity": False,
            "package_order_quantity": False,
        },
        "payment_confirmation": False,
        "pricing": {
            "channel_pricing": "DISABLED",
            "discount_period_required": False,
            "discount_price_creation_in_the_past_blocked": False,
            "scheduled_pricing": False,
            "volume_discount": False,
            "volume_pricing": False,
        },
        "product_data_validation_by_channel": False,
        "promotion": {"cart_promotion_campaign": False, "discount_campaign": False, "seller_promotion": False},
        "shop_tax_options": {"tax_identification_number": {"mandatory": False}},
        "tax_collection": {"activated": "NO", "product_tax_code_mandatory": False, "tax_collection_by_operator": False},
        "tax_id_number": {"mandatory": False},
        "warehouses": {"geolocation": False, "restricted_countries": []},
    }
