# SPDX-License-Identifier: Apache-2.0
"""The rows of the table, by their names: each is a function that measures, and returns its lines."""

from rows import calls, engine, growth, listing, memory, size, start, storage, tls

ALL = {
    "get": calls.get,
    "path": calls.path,
    "capabilities": calls.capabilities,
    "mount": calls.mount,
    "list": listing.listing,
    "create": storage.create,
    "image": storage.image,
    "start": start.start,
    "memory": memory.memory,
    "size": size.size,
    "tls": tls.tls,
    "growth": growth.growth,
    "engine": engine.engine,
    "engine": engine.engine,
}
