"""Objects in a bucket of an S3 server: put whole or not at all, read as they come, listed and removed.

The server and its key are those of the lake's files (`s3_access`). What is kept in the objects is for their users to say.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from warehouse.s3_access import S3Access, present_access

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from io import BufferedReader

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30
TRIES = 3
PART_BYTES = 64_000_000
"""So much of an object is sent, and held, at once; ten thousand such parts are what S3 takes."""

_GONE = frozenset({"404", "NoSuchKey", "NotFound"})
_DENIED = frozenset({"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})


class ObjectStorageError(OSError):
    """The S3 server does not do as asked; the message says why, and holds neither keys nor addresses that are signed."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EIO, message)

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True, slots=True)
class ObjectBucket:
    """The objects of a bucket below a prefix."""

    name: str
    prefix: str

    def put(self, key: str, content: BufferedReader) -> None:
        """Keep an object; it is there when all of it has arrived as it left, and not before.

        Raises:
            ObjectStorageError: It was not kept.
        """
        with _asking(self.name) as client:
            place = {"Bucket": self.name, "Key": self.prefix + key}
            part = content.read(PART_BYTES)
            if len(part) < PART_BYTES:
                client.put_object(**place, Body=part, ContentMD5=_md5(part))
                return
            place["UploadId"] = client.create_multipart_upload(**place)["UploadId"]
            try:
                parts: list[dict[str, object]] = []
                while part:
                    number = len(parts) + 1
                    kept = client.upload_part(**place, PartNumber=number, Body=part, ContentMD5=_md5(part))
                    parts.append({"PartNumber": number, "ETag": kept["ETag"]})
                    part = content.read(PART_BYTES)
                client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
            except BaseException:
                client.abort_multipart_upload(**place)
                raise

    def read(self, key: str) -> Incoming:
        """The bytes of an object as they come; to be closed.

        Raises:
            FileNotFoundError: There is none of this name.
            ObjectStorageError: The server does not give it.
        """
        with _asking(self.name) as client:
            return Incoming(client.get_object(Bucket=self.name, Key=self.prefix + key)["Body"], self.name)

    def has(self, key: str) -> bool:
        """Whether there is an object of this name.

        Raises:
            ObjectStorageError: The server does not say.
        """
        try:
            with _asking(self.name) as client:
                client.head_object(Bucket=self.name, Key=self.prefix + key)
        except FileNotFoundError:
            return False
        return True

    def older_than(self, before: datetime) -> list[str]:
        """The names of the objects that were put before a moment.

        Raises:
            ObjectStorageError: The server does not list them.
        """
        with _asking(self.name) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix)
            return [
                each["Key"].removeprefix(self.prefix)
                for page in pages
                for each in page.get("Contents", ())
                if each["LastModified"] < before
            ]

    def remove(self, key: str) -> None:
        """Delete an object; one that is not there is none.

        Raises:
            ObjectStorageError: It may be there still.
        """
        with _asking(self.name) as client:
            client.delete_object(Bucket=self.name, Key=self.prefix + key)


class Incoming:
    """An answer that is read; what goes wrong on its way is the server's."""

    def __init__(self, body: Any, bucket: str) -> None:  # noqa: ANN401 - made by botocore
        self._body = body
        self._bucket = bucket

    def read(self, count: int = -1, /) -> bytes:
        """The next bytes; fewer than asked for only at the end."""
        with _asking(self._bucket):
            return bytes(self._body.read(None if count < 0 else count))

    def close(self) -> None:
        """Let go of what was not read."""
        self._body.close()


def _md5(part: bytes) -> str:
    """By which the server sees that it has received what was sent."""
    return base64.b64encode(hashlib.md5(part, usedforsecurity=False).digest()).decode()


def bucket_of(address: str) -> ObjectBucket:
    """The bucket and prefix of an address.

    >>> bucket_of("s3://files/orders/")
    ObjectBucket(name='files', prefix='orders/')
    """
    name, _, prefix = address.removeprefix("s3://").partition("/")
    return ObjectBucket(name, f"{prefix.strip('/')}/" if prefix.strip("/") else "")


@contextmanager
def _asking(bucket: str) -> Iterator[Any]:
    """A client, and in our words what goes wrong with it."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415 - as in `_client`

    access = present_access()
    place = f"the S3 server {(access.endpoint or 'AWS').rpartition('@')[2]}"
    try:
        yield _client(access)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket":
            raise ObjectStorageError(f"{place} has no bucket {bucket}") from None
        if code in _GONE:
            raise FileNotFoundError(errno.ENOENT, "there is no such object") from None
        if code in _DENIED:
            said = f"{place} refuses the key (HTTP {status} {code}): see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise ObjectStorageError(said) from None
        raise ObjectStorageError(f"{place} answered HTTP {status} {code}") from None
    except NoCredentialsError:
        raise ObjectStorageError("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from None
    except BotoCoreError as error:
        raise ObjectStorageError(f"{place} does not answer ({type(error).__name__})") from None


@cache
def _client(access: S3Access) -> Any:  # noqa: ANN401 - made by botocore
    from botocore.config import Config  # noqa: PLC0415 - 32 MB that only who uses it pays for
    from botocore.session import Session  # noqa: PLC0415 - as above

    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    session = Session(session_vars={"profile": (None, None, None, None), **nowhere})
    return session.create_client(
        "s3",
        region_name=access.region or "us-east-1",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.key_id,
        aws_secret_access_key=access.secret,
        aws_session_token=access.session_token,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
            s3={"addressing_style": "path" if access.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
