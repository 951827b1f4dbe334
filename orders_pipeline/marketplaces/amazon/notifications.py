"""Amazon's ORDER_CHANGE notifications, which Amazon puts into a queue (SQS) of the seller's own AWS account.

https://developer-docs.amazon.com/sp-api/docs/notifications-api-v1-use-case-guide. Each names an order that has changed and
holds much of it, in another shape than the Orders API's: only the time of the change is taken from it.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.amazon.settings import AWS_KEY, AWS_SECRET, AWS_TOKEN, AmazonSettings
from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Transient, Unauthorised
from orders_pipeline.marketplaces.hints import Hint, HintFate
from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import Finding
from orders_pipeline.marketplaces.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from orders_pipeline.marketplaces.protocol import ConnectionContext

ORDER_CHANGE = "ORDER_CHANGE"
MOST_AT_ONCE = 10
"""Messages of one call: SQS gives and takes no more."""
CONNECT_SECONDS, READ_SECONDS = 3.0, 5.0
"""A sensor waits for it: whoever does not answer in this time is asked again later."""

_REGION = re.compile(r"sqs(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)")
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId"}
    | {"InvalidSecurity", "KmsAccessDenied", "MissingAuthenticationToken", "SignatureDoesNotMatch"}
    | {"UnrecognizedClientException"}
)
_GONE = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "InvalidAddress"})
_UNWELL = 500


class OrderChangeQueue:
    """The queue of one connection; see `hints.HintReader` for the contract."""

    def __init__(self, context: ConnectionContext) -> None:
        settings = read_settings(AmazonSettings, context.settings)
        self._url = tls.secure(settings.notifications_queue or "", "check notifications_queue")
        self._seller = settings.notifications_seller_id
        self._selectors = frozenset(context.selectors)
        self._sqs = _client(self._url, settings, context.credentials)

    def receive(self) -> Sequence[Hint]:
        """Up to ten messages, without waiting for any."""
        with _asking("ReceiveMessage"):
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=MOST_AT_ONCE, WaitTimeSeconds=0)
        return [self._read(each) for each in answer.get("Messages", ())]

    def discard(self, receipts: Sequence[str]) -> None:
        """Delete messages; SQS tells of each whether it is gone."""
        for first in range(0, len(receipts), MOST_AT_ONCE):
            chunk = receipts[first : first + MOST_AT_ONCE]
            entries = [{"Id": str(place), "ReceiptHandle": each} for place, each in enumerate(chunk)]
            with _asking("DeleteMessageBatch"):
                answer = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
            failed = answer.get("Failed", ())
            if failed:
                codes = ", ".join(sorted({str(each.get("Code")) for each in failed}))
                raise Transient("hints_not_discarded", f"{len(failed)} notifications were not deleted: {codes}")

    def test(self) -> Finding:
        """Ask how many messages wait."""
        try:
            with _asking("GetQueueAttributes"):
                answer = self._sqs.get_queue_attributes(
                    QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
                )
        except MarketplaceError as error:
            return Finding("hints", is_ok=False, message=error.message, hint=error.hint)
        waiting = answer.get("Attributes", {}).get("ApproximateNumberOfMessages", "0")
        return Finding("hints", is_ok=True, message=f"the queue answers; about {waiting} notifications wait")

    def close(self) -> None:
        """Let go of sockets."""
        self._sqs.close()

    def _read(self, message: Mapping[str, Any]) -> Hint:
        receipt = str(message["ReceiptHandle"])
        try:
            notification = parse(str(message.get("Body", "")).encode())
            return _hint(receipt, notification, self._seller, self._selectors)
        except (AttributeError, KeyError, TypeError, ValueError):
            return Hint(receipt, HintFate.UNREADABLE)


def _hint(receipt: str, notification: Any, seller: str | None, selectors: Collection[str]) -> Hint:  # noqa: ANN401 - any JSON value
    """What a notification is worth here; the error of a member that is missing or of another type, where it cannot be read."""
    if notification["NotificationType"] != ORDER_CHANGE:
        return Hint(receipt, HintFate.FOREIGN)
    change = notification["Payload"]["OrderChangeNotification"]
    sold_at = change.get("Summary", {}).get("MarketplaceId")
    if (seller and change["SellerId"] != seller) or (sold_at and selectors and sold_at not in selectors):
        return Hint(receipt, HintFate.FOREIGN)
    moment = datetime.fromisoformat(notification["EventTime"])
    return Hint(receipt, HintFate.KEPT, moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))


def _client(url: str, settings: AmazonSettings, credentials: Mapping[str, str]) -> Any:  # noqa: ANN401 - made by botocore
    """A client of SQS. What the machine's own AWS configuration says of keys, regions or addresses does not count."""
    from botocore.config import Config  # noqa: PLC0415 - 32 MB that only who uses it pays for

    parts = urlsplit(url)
    named = _REGION.fullmatch(parts.hostname or "")
    region = settings.notifications_region or (named and named[1])
    if not region:
        said = "the queue's address does not name its AWS region"
        raise Permanent("settings_invalid", said, "set notifications_region")
    key, secret = (credentials.get(name, "").strip() for name in (AWS_KEY, AWS_SECRET))
    if not key or not secret:
        raise Unauthorised(
            "credential_missing", f"{AWS_KEY} and {AWS_SECRET} are both needed to read the queue", "set them"
        )
    proxies = {"proxies": dict.fromkeys(("http", "https"), str(settings.proxy))} if settings.proxy else {}
    return _session().create_client(
        "sqs",
        region_name=region,
        endpoint_url=f"{parts.scheme}://{parts.netloc}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=credentials.get(AWS_TOKEN, "").strip() or None,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 1},
            **proxies,
        ),
    )


@cache
def _session() -> Any:  # noqa: ANN401 - made by botocore
    """One for the process: the description of SQS, which every client needs, takes thirty times as long as a call."""
    from botocore.session import Session  # noqa: PLC0415 - as above

    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return Session(session_vars={"profile": (None, None, None, None), **nowhere})


@contextmanager
def _asking(operation: str) -> Iterator[None]:
    """Tell what went wrong in the words of the pipeline."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    try:
        yield
    except ClientError as error:
        raise _judged(operation, error.response) from None
    except BotoCoreError as error:
        said = f"no answer of the queue to {operation} ({type(error).__name__})"
        raise Transient("unreachable", said, "check notifications_queue and the network") from None


def _judged(operation: str, response: Mapping[str, Any]) -> MarketplaceError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = f"{operation} was answered with HTTP {status} {code}".rstrip()
    if code in _DENIED or any(code.endswith(f".{each}") for each in _DENIED):
        return Unauthorised("unauthorised", said, "check the AWS key, and that its policy allows reading the queue")
    if code in _GONE or any(code.endswith(f".{each}") for each in _GONE):
        return Permanent("hints_no_queue", said, "check notifications_queue and notifications_region")
    if status >= _UNWELL or "Throttl" in code:
        return Transient("marketplace_unavailable", said)
    return Permanent("request_refused", said)
