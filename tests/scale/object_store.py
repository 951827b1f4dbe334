"""A real S3 server on loopback: Ceph's RADOS gateway over one monitor and one OSD that keeps its objects in memory.

Up in two seconds, for one of CPU; `python -m tests.scale.object_store FOLDER` runs one by hand until it is interrupted. What
makes it so is in the configuration: no manager, one copy, one placement group a pool, and a monitor that decides at once.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "ceph", "radosgw", "radosgw-admin")
START_SECONDS = 120.0

CONFIGURATION = """
[global]
fsid = {fsid}
mon_initial_members = a
mon_host = [v2:{host}:{monitor_port}]
public_network = {host}/8
ms_bind_ipv6 = false
keyring = {folder}/keyring
run_dir = {folder}
log_file = {folder}/$name.log
admin_socket =
debug_rgw = 0/0
mon_data = {folder}/mon
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_warn = 0
mon_data_avail_crit = 0
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
rgw_data = {folder}/rgw
rgw_thread_pool_size = 32
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
rgw_frontends = beast endpoint={host}:{port}
"""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """An S3 server that runs, and how it is reached."""

    endpoint: str
    key: str
    secret: str

    def environment(self) -> dict[str, str]:
        """The variables by which the product finds it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
        }

    def client(self) -> Any:
        """A client of its own, to look and to spoil."""
        return Session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The names of the objects of a bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]


def missing_programs() -> list[str]:
    """What is not installed of what the server needs."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextlib.contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[ObjectStore]:
    """A server that keeps what it writes below an empty folder, and ends with the block."""
    for each in ("mon", "osd", "rgw"):
        (folder / each).mkdir(parents=True)
    monitor, port, fsid = _free_port(host), _free_port(host), str(uuid.uuid4())
    configuration = folder / "ceph.conf"
    configuration.write_text(CONFIGURATION.format(fsid=fsid, folder=folder, host=host, monitor_port=monitor, port=port))

    def run(*command: str) -> None:
        given = [*command, "--conf", str(configuration)]
        done = subprocess.run(given, capture_output=True, text=True, check=False, timeout=START_SECONDS)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")

    def serve(*command: str) -> subprocess.Popen[bytes]:
        with (folder / f"{command[0]}.out").open("wb") as out:
            started = subprocess.Popen([*command, "-f", "--conf", str(configuration)], stdout=out, stderr=out)
        ends.callback(_end, started)
        return started

    with contextlib.ExitStack() as ends:
        keyring, everything = str(folder / "keyring"), ("mon", "osd", "mgr")
        rights = [word for each in everything for word in ("--cap", each, "allow *")]
        for name, create in (("mon.", ["--create-keyring"]), ("client.admin", []), ("osd.0", [])):
            run("ceph-authtool", keyring, *create, "--gen-key", "-n", name, *rights)
        monitors = str(folder / "monmap")
        run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:{host}:{monitor}]", monitors)
        run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keyring)
        serve("ceph-mon", "-i", "a")
        disk = str(uuid.uuid4())
        run("ceph", "--connect-timeout", "60", "osd", "new", disk)
        run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", disk)
        serve("ceph-osd", "-i", "0")
        gateway = serve("radosgw", "-n", "client.admin")
        store = ObjectStore(f"http://{host}:{port}", "orders-key", f"orders-secret-{uuid.uuid4().hex}")
        _wait_for(store.endpoint, gateway, folder)
        user = ("--uid=orders", "--display-name=orders", f"--access-key={store.key}", f"--secret-key={store.secret}")
        run("radosgw-admin", "user", "create", *user)
        yield store


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing that the server keeps is worth a quiet end."""
    process.kill()
    process.wait()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _wait_for(endpoint: str, gateway: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and gateway.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(endpoint, timeout=5):  # noqa: S310 - our own server
            return
        time.sleep(0.1)
    said = [each.read_text(errors="replace")[-1000:] for each in folder.glob("*.out")]
    raise RuntimeError("the S3 server did not start: " + "\n".join(said))


if __name__ == "__main__":
    with serving(Path(sys.argv[1])) as running:
        sys.stdout.writelines(f"export {name}={value}\n" for name, value in running.environment().items())
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
