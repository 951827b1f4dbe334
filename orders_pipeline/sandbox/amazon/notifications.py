"""The stand-in's queue of ORDER_CHANGE notifications: what Amazon's SQS answers to those who read it (AWS JSON 1.0).

A message that was received is not seen for half a minute, and comes again unless it is deleted. Signatures are not checked,
only whose key signed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orders_pipeline.sandbox.clock import Clock, iso_millis
from orders_pipeline.sandbox.engine import Call, SandboxAnswer
from orders_pipeline.sandbox.json_values import JsonObject

AWS_KEY = "AKIASANDBOX000000000"
AWS_SECRET = "sandbox-aws-secret"  # noqa: S105 - public by design
REGION = "eu-west-1"
PATH = "/000000000000/order-changes"
HIDDEN_FOR = timedelta(seconds=30)
MOST = 10

_KEY = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/sqs/aws4_request")


def order_change(number: int, seller: str, order: JsonObject, now: datetime) -> JsonObject:
    """Return the notification that an order has changed."""
    fulfillment = order.get("fulfillment", {})
    moment = iso_millis(now)
    return {
        "NotificationVersion": "1.0",
        "NotificationType": "ORDER_CHANGE",
        "PayloadVersion": "1.0",
        "EventTime": moment,
        "Payload": {
            "OrderChangeNotification": {
                "NotificationLevel": "OrderLevel",
                "SellerId": seller,
                "AmazonOrderId": order["orderId"],
                "OrderChangeType": "OrderStatusChange",
                "OrderChangeTrigger": {"TimeOfOrderChange": moment},
                "Summary": {
                    "MarketplaceId": order.get("salesChannel", {}).get("marketplaceId"),
                    "OrderStatus": str(fulfillment.get("fulfillmentStatus", "")).capitalize(),
                },
            }
        },
        "NotificationMetadata": {
            "ApplicationId": "amzn1.sellerapps.app.sandbox",
            "SubscriptionId": "sandbox-subscription",
            "PublishTime": moment,
            "NotificationId": f"sandbox-{number:08}",
        },
    }


@dataclass
class _Message:
    body: str
    seen_from: datetime
    receipt: str = ""
    times: int = 0


@dataclass
class ChangeQueue:
    """Messages that wait, the oldest first."""

    clock: Clock
    messages: dict[int, _Message] = field(default_factory=dict)
    number: int = 0

    def put(self, body: str) -> None:
        """Put a message in."""
        self.number += 1
        self.messages[self.number] = _Message(body, self.clock())

    def tell(self, seller: str, order: JsonObject) -> None:
        """Put in that an order has changed."""
        self.put(json.dumps(order_change(self.number + 1, seller, order, self.clock())))

    def handle(self, call: Call) -> SandboxAnswer:
        """Work a call off."""
        actions: dict[str, Callable[[JsonObject], JsonObject]] = {
            "ReceiveMessage": self._receive,
            "DeleteMessageBatch": self._delete,
            "GetQueueAttributes": self._attributes,
        }
        action = actions.get(call.headers.get("x-amz-target", "").removeprefix("AmazonSQS."))
        signed = _KEY.search(call.headers.get("authorization", ""))
        if signed is None or signed[1] != AWS_KEY or signed[2] != REGION:
            return _error(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        if action is None:
            return _error(400, "InvalidAction", "There is no such action.")
        try:
            asked = call.json_body()
            if not str(asked["QueueUrl"]).endswith(PATH):
                return _error(400, "QueueDoesNotExist", "The specified queue does not exist.")
            return SandboxAnswer(200, action(asked))
        except (AttributeError, KeyError, TypeError, ValueError):
            return _error(400, "InvalidParameterValue", "The request cannot be read.")

    def _receive(self, asked: JsonObject) -> JsonObject:
        now = self.clock()
        seen = [number for number, each in self.messages.items() if each.seen_from <= now]
        found = []
        for number in seen[: min(MOST, asked.get("MaxNumberOfMessages", 1))]:
            message = self.messages[number]
            message.times += 1
            message.seen_from, message.receipt = now + HIDDEN_FOR, f"{number}#{message.times}"
            found.append(
                {
                    "MessageId": f"message-{number:08}",
                    "ReceiptHandle": message.receipt,
                    "MD5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
                    "Body": message.body,
                }
            )
        return {"Messages": found} if found else {}

    def _delete(self, asked: JsonObject) -> JsonObject:
        entries = asked["Entries"]
        for each in entries:
            self.messages.pop(int(each["ReceiptHandle"].partition("#")[0]), None)
        return {"Successful": [{"Id": each["Id"]} for each in entries], "Failed": []}

    def _attributes(self, _asked: JsonObject) -> JsonObject:
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.messages))}}


def _error(status: int, code: str, message: str) -> SandboxAnswer:
    body = {"__type": f"com.amazonaws.sqs#{code}", "message": message}
    return SandboxAnswer(status, body, code=code, media_type="application/x-amz-json-1.0")
