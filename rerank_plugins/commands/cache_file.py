"""A reply cache in a file, so that the same question is never paid for twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from rerank_plugins.errors import InvalidInput

__all__ = ["CacheFile"]


class CacheFile(MutableMapping[str, str]):
    """A mapping of strings in an SQLite file. Each entry is on disk at once, so that an interruption loses nothing.

    Args:
        path: The file; it is made if there is none.

    Raises:
        InvalidInput: The file cannot be opened, or is no cache.

    >>> cache = CacheFile(":memory:")
    >>> cache["a"] = "b"
    >>> dict(cache)
    {'a': 'b'}
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")  # several processes may share a cache
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise InvalidInput(
                f"The cache {str(path)!r} cannot be used ({error}); name a file of an earlier run, or a new one."
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __getitem__(self, key: str) -> str:
        found = self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        if found is None:
            raise KeyError(key)
        return str(found[0])

    def __setitem__(self, key: str, reply: str) -> None:
        self._database.execute("REPLACE INTO replies VALUES (?, ?)", (key, reply))

    def __delitem__(self, key: str) -> None:
        if not self._database.execute("DELETE FROM replies WHERE key = ?", (key,)).rowcount:
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        for (key,) in self._database.execute("SELECT key FROM replies"):
            yield key

    def __len__(self) -> int:
        return int(self._database.execute("SELECT COUNT(*) FROM replies").fetchone()[0])
