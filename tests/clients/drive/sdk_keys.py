"""The SDK with keys. ``sdk_keys.py URL USER_KEY ROOT_KEY``."""

from __future__ import annotations

import sys

from openviking_sdk import SyncHTTPClient
from steps import finish, step

URL, KEY, ROOT = sys.argv[1:4]


def opened(key=None):
    client = SyncHTTPClient(url=URL, api_key=key)
    client.initialize()
    return client


ov = opened(KEY)


@step
def own():
    written = ov.write("viking://~/memories/events/pin.md", "The pin is 4711.", mode="create", wait=True)
    return [written["uri"], ov.read("viking://~/memories/events/pin.md")]


@step
def without():
    return opened().ls("viking://resources")


@step
def another():
    return ov.read("viking://user/ana/memories/preferences/note.md")


@step
def root_reads():
    return opened(ROOT).ls("viking://resources")


@step
def root_lists():
    return opened(ROOT).admin_list_accounts()


@step
def pack():
    ov.write("viking://resources/book/page.md", "# Page\n", mode="create", wait=True)
    ov.export_ovpack("viking://resources/book", "book.ovpack")
    ov.mkdir("viking://resources/copied")
    where = ov.import_ovpack("book.ovpack", "viking://resources/copied")
    return [where, ov.read(f"{where}/page.md")]


ov.close()
finish()
