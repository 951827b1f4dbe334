SELECT order_id, consumer, revision, outcome, order_number, message, "at" AS acknowledged_at
FROM arrived
