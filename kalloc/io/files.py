"""Reading files that nobody vouches for: plain or gzip, never more than a bound, every trouble as a sentence."""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

MIB = 2**20
MAX_TABLE = 256 * MIB
"""Bytes of one table, unpacked."""
MAX_DOCUMENT = 128 * MIB
"""Bytes of one JSON document, unpacked."""


class UnreadableError(Exception):
    """A file cannot be read; the message completes a sentence that begins with its name."""


@contextmanager
def opened(path: Path) -> Iterator[BufferedIOBase]:
    """Open a regular file for reading, through gzip where its name ends so."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError("is not a file")
        with path.open("rb") as plain:
            if path.suffix == ".gz":
                with gzip.open(plain, "rb") as unpacked:
                    yield unpacked
            else:
                yield plain
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableError(f"is not a whole gzip file: {error}") from error
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error


def read_text(path: Path, limit: int = MAX_DOCUMENT) -> str:
    """Return the whole text of a file, which must be UTF-8 and within the limit."""
    data = read_bytes(path, limit)
    if b"\0" in data:
        raise UnreadableError(f"has a NUL byte at {_position(data, data.index(0))}; it must be UTF-8 text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is not UTF-8 at {_position(data, error.start)}; save it as UTF-8") from error


def read_bytes(path: Path, limit: int) -> bytearray:
    """Return the whole content of a file, which must be within the limit; no more memory is taken than it has."""
    data = bytearray()
    with opened(path) as stream:
        while len(data) <= limit and (chunk := stream.read(MIB)):
            data += chunk
    if len(data) > limit:
        raise UnreadableError(f"is larger than {limit // MIB} MiB")
    return data


def _position(data: bytes | bytearray, offset: int) -> str:
    line = data.count(b"\n", 0, offset) + 1
    start = data.rfind(b"\n", 0, offset)
    return f"line {line}, byte {offset - start}"
