SELECT
    line.id,
    unnested.id AS order_id,
    unnested.channel,
    line.original_id,
    line.number,
    line.sku,
    line.marketplace_sku,
    line.gtin,
    line.title,
    line.product_url,
    line.condition,
    line.quantity_ordered,
    line.quantity_shipped,
    line.quantity_cancelled,
    line.quantity_remaining_to_ship,
    line.quantity_refunded,
    line.may_ship,
    line.may_not_ship_reason,
    unnested.currency,
    amount(line.unit_price) AS unit_price,
    amount(line.source_unit_price) AS source_unit_price,
    amount(line.line_total) AS line_total,
    amount(line.kept_total) AS kept_total,
    amount(line.refunded_total) AS refunded_total,
    list_transform(
        line.taxes, lambda tax: {'code': tax.code, 'amount': amount(tax.amount), 'rate': amount(tax.rate)}
    ) AS taxes,
    line.marketplace_status,
    line.cancellation.requested_by AS cancellation_requested_by,
    line.cancellation.request_reason AS cancellation_request_reason,
    line.cancellation.executed_by AS cancellation_executed_by,
    line.cancellation.execution_reason AS cancellation_execution_reason,
    line.gift.wrap AS gift_wrap,
    line.gift IS NOT NULL AS is_gift,
    line.is_customised,
    line.ship_from,
    line.is_replacement,
    unnested.purchased_at,
    unnested.received_at
FROM (
    SELECT id, channel, purchased_at, received_at, document.currency AS currency, unnest(document.lines) AS line
    FROM arrived
) AS unnested
