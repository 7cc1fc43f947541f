"""`rerank-plugins compare`: what each method gains over the first stage on a collection, at what cost, and how sure."""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rerank_plugins.backends import Backend
from rerank_plugins.candidates import Candidate
from rerank_plugins.commands.cache_file import CacheFile
from rerank_plugins.commands.call_options import add_call_options, call_limits
from rerank_plugins.commands.compare_output import all_failed, show, write
from rerank_plugins.commands.models import MODEL_OPTIONS, add_model_options, backends_of, key_of, quieten
from rerank_plugins.commands.progress import Progress
from rerank_plugins.errors import InvalidInput, UnmetNeed
from rerank_plugins.evaluation import (
    MEASURES,
    Ceiling,
    Collection,
    Comparison,
    by_bm25,
    by_embedding,
    compare,
    from_run,
    read_collection,
    read_run,
)
from rerank_plugins.evaluation.first_stages import Lists
from rerank_plugins.evaluation.peers import peer, peer_names
from rerank_plugins.evaluation.records import slug
from rerank_plugins.evaluation.robustness import Robustness, robustness
from rerank_plugins.evaluation.systems import System
from rerank_plugins.methods import Method, read_method
from rerank_plugins.ranking import Usage
from rerank_plugins.requests import Embed
from rerank_plugins.tally import dollars

__all__ = ["add_parser"]

_WELL, _PARTIAL, _NO_ANSWER, _INTERRUPTED = 0, 1, 3, 130
_BASELINE = "FirstStage()"
_DESCRIPTION = """\
Rerank the candidates of every judged query with every method, and print what
each gains over the first stage: means with 95 % bootstrap intervals, paired
randomisation tests, calls, tokens, price, and seconds per query.
"""
_EPILOG = """
COLLECTION is a folder with corpus.jsonl, queries.jsonl and qrels.tsv (BEIR), or
the word sample for the collection that comes with the package.

With --out DIR everything is kept in a folder: what is finished is never done
again, so that an interrupted comparison goes on where it was.

exit codes:
  0  all is well
  1  it is partial: the ceiling would have been passed
  2  what was asked cannot be done
  3  no call of some method succeeded: its row is the first stage's order
  130  interrupted; the table covers what was finished

examples:
  rerank-plugins compare sample --methods 'Embedding()' --embedder minilm
  rerank-plugins compare scifact --k 50 --methods 'InsertRank()' 'Rebel(turns=1)' \\
      --model gpt-5-mini --max-dollars 2 --out results
"""


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "compare",
        parents=[shared],
        help="measure methods on a test collection: quality, cost, confidence",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("collection", metavar="COLLECTION", help="a folder, or the word sample")
    parser.add_argument("--methods", nargs="+", default=[], metavar="METHOD", help="such as 'InsertRank(window=20)'")
    parser.add_argument(
        "--peers",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"rerankers of others, at --model: {', '.join(peer_names())}",
    )
    parser.add_argument(
        "--first-stage", default="bm25", metavar="NAME", help="bm25 (default), embedding, or the file of a run"
    )
    parser.add_argument(
        "--pool", metavar="FILE", help="a run: bm25 ranks each query's documents in it, and not the whole corpus"
    )
    parser.add_argument("--qrels", metavar="FILE", help="judgements, where they are not in the folder")
    parser.add_argument("--k", type=int, default=50, metavar="N", help="candidates per query (%(default)s)")
    parser.add_argument("--queries", type=int, metavar="N", help="N judged queries, the first or drawn by --seed")
    parser.add_argument("--seed", type=int, metavar="N", help="draw the --queries at random, by this seed")
    parser.add_argument(
        "--measures",
        nargs="+",
        default=list(MEASURES),
        metavar="NAME",
        help=f"the main one first ({' '.join(MEASURES)})",
    )
    parser.add_argument("--baseline", default=_BASELINE, metavar="METHOD", help="the row to compare with (%(default)s)")
    parser.add_argument("--no-oracle", action="store_true", help="leave out the best order that the candidates allow")
    parser.add_argument("--out", metavar="DIR", help="keep records, tables, runs, pictures and an HTML report here")
    parser.add_argument(
        "--robustness", action="store_true", help="also change what should not matter, and say what that does"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, and not as a table")
    parser.add_argument("--cache", metavar="FILE", help="keep replies in this file, and do not pay for them twice")
    add_model_options(parser)
    _add_limits(parser)
    parser.set_defaults(run=run)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument("--max-calls", type=int, metavar="N", help="calls to models, all methods together")
    group.add_argument("--max-tokens", type=int, metavar="N", help="tokens, all methods together")
    group.add_argument("--max-dollars", type=float, metavar="X", help="US dollars, all methods together")
    add_call_options(group)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the table, and write what was asked for."""
    quieten()
    methods, baseline = _methods(arguments), _baseline(arguments)
    ceiling = Ceiling(calls=arguments.max_calls, tokens=arguments.max_tokens, dollars=arguments.max_dollars)
    backends, collection = backends_of(arguments), _collection(arguments)
    with ExitStack() as stack:
        progress = stack.enter_context(Progress("Reading the collection"))
        lists = _some(_lists(arguments, collection, backends), arguments.queries, arguments.seed)
        options: dict[str, Any] = {
            "backends": backends,
            "limits": call_limits(arguments),
            "cache": stack.enter_context(closing(CacheFile(arguments.cache))) if arguments.cache else None,
            "price": _price(arguments),
            "folder": arguments.out or _folder_for_now(arguments, stack),
            "observer": progress,
            "told": _Told(progress),
        }
        try:
            comparison = compare(
                collection,
                lists,
                methods,
                measures=arguments.measures,
                first_stage=_stage_name(arguments),
                oracle=not arguments.no_oracle,
                ceiling=ceiling,
                **options,
            )
        except UnmetNeed as error:
            raise UnmetNeed(f"{error} {MODEL_OPTIONS}") from None
        changed = _changed(arguments, collection, lists, methods, comparison, ceiling, options)
    show(comparison, changed, baseline, as_data=arguments.json)
    if arguments.out:
        write(_place_of(Path(arguments.out), baseline), comparison, changed, baseline, collection)
    return _exit_code(comparison)


def _place_of(out: Path, baseline: str) -> Path:
    """The folder, or for another baseline than the first stage one inside, so that neither overwrites the other."""
    return out if baseline == _BASELINE else out / f"against-{slug(baseline)}"


def _folder_for_now(arguments: argparse.Namespace, stack: ExitStack) -> str | None:
    """Where robustness finds what the comparison did, so that it is not done again."""
    return stack.enter_context(TemporaryDirectory()) if arguments.robustness else None


def _methods(arguments: argparse.Namespace) -> list[Method | System]:
    if arguments.peers and not arguments.model:
        raise InvalidInput("Peers are given the endpoint of --model; add --model NAME.")
    key = key_of(arguments)
    peers = [peer(name, arguments.model, arguments.base_url, key) for name in arguments.peers]
    return [*(read_method(text) for text in arguments.methods), *peers]


def _baseline(arguments: argparse.Namespace) -> str:
    if arguments.baseline in arguments.peers:
        return str(arguments.baseline)
    baseline, known = repr(read_method(arguments.baseline)), [repr(read_method(text)) for text in arguments.methods]
    if baseline not in (_BASELINE, *known):
        raise InvalidInput(f"The baseline is one of the methods that are compared, and {baseline} is not among them.")
    return baseline


def _changed(
    arguments: argparse.Namespace,
    collection: Collection,
    lists: Lists,
    methods: Sequence[Method | System],
    comparison: Comparison,
    ceiling: Ceiling,
    options: dict[str, Any],
) -> Robustness | None:
    """What changes that should not matter do; nothing where the comparison itself is partial."""
    if not arguments.robustness or comparison.stopped:
        return None
    # The whole ceiling: robustness finds the comparison in the folder, and counts what it cost.
    return robustness(collection, lists, methods, measure=arguments.measures[0], ceiling=ceiling, **options)


def _collection(arguments: argparse.Namespace) -> Collection:
    if arguments.collection != "sample":
        return read_collection(arguments.collection, arguments.qrels)
    from rerank_plugins import sample

    loaded = sample.load()
    documents = {name: Candidate(passage.text, name) for name, passage in loaded.corpus.items()}
    return Collection("sample", documents, loaded.queries, loaded.qrels)


def _lists(arguments: argparse.Namespace, collection: Collection, backends: Sequence[Backend]) -> Lists:
    if arguments.k < 1:
        raise InvalidInput(f"--k is the number of candidates per query, at least 1, not {arguments.k!r}.")
    if arguments.first_stage == "bm25":
        return by_bm25(collection, arguments.k, read_run(arguments.pool) if arguments.pool else None)
    if arguments.pool:
        raise InvalidInput(f"--pool is what --first-stage bm25 ranks, not {arguments.first_stage!r}; leave one out.")
    if arguments.first_stage != "embedding":
        return from_run(collection, read_run(arguments.first_stage), arguments.k)
    if not any(Embed in backend.kinds for backend in backends):
        raise InvalidInput("--first-stage embedding needs an embedding model: add --embedder or --embedding-model.")
    return by_embedding(collection, backends, arguments.k)


def _some(lists: Lists, count: int | None, seed: int | None) -> Lists:
    """As many of the queries that have candidates, in their order."""
    if count is None:
        if seed is not None:
            raise InvalidInput("--seed draws the queries that --queries counts; add --queries N.")
        return lists
    if count < 1:
        raise InvalidInput(f"--queries is how many queries to run, at least 1, not {count!r}.")
    queries = [query for query, found in lists.items() if found]
    if seed is not None:
        drawn = random.Random(seed).sample(range(len(queries)), min(count, len(queries)))
        queries = [queries[place] for place in sorted(drawn)]
    return {query: lists[query] for query in queries[:count]}


def _stage_name(arguments: argparse.Namespace) -> str:
    if arguments.pool:
        return f"BM25 inside the pools of {Path(arguments.pool).name}"
    asked = arguments.first_stage
    return {"bm25": "BM25 over the corpus", "embedding": "the embedding model"}.get(
        asked, f"the run {Path(asked).name}"
    )


def _price(arguments: argparse.Namespace) -> Any:
    address = arguments.base_url or os.environ.get("OPENAI_BASE_URL")

    def price(spent: Usage) -> float | None:
        return dollars(spent, arguments.model, address)

    return price


class _Told:
    """Says on the terminal how far a row is, and how long it will take at this pace."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._label = ""
        self._began, self._before = 0.0, 0

    def __call__(self, label: str, done: int, queries: int) -> None:
        if label != self._label:
            self._label, self._began, self._before = label, time.monotonic(), done
        left = ""
        if done > self._before and done < queries:
            pace = (time.monotonic() - self._began) / (done - self._before)
            left = f", about {_duration(pace * (queries - done))} left"
        self._progress.say(f"{label}: {done} of {queries} queries{left}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _exit_code(comparison: Comparison) -> int:
    if comparison.stopped:
        return _INTERRUPTED if "interrupted" in comparison.stopped else _PARTIAL
    return _NO_ANSWER if any(map(all_failed, comparison.rows)) else _WELL
