"""Break the driver in twenty places, one after another, and say which test catches each.

Run `python -m benchmarks mutations`. The tests run on a copy of the tree; the tree itself is not touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = [
    "tests/test_drive.py",
    "tests/test_stream.py",
    "tests/test_failures_in_a_batch.py",
    "tests/backends/test_shared.py",
    "tests/backends/test_one_at_a_time.py",
    "tests/test_errors.py",
    "tests/test_cache.py",
    "tests/test_ranking.py",
    "tests/prompts/test_label_mass.py",
    "tests/methods/test_rules.py",
    "tests/test_hostile_backends.py",
    "tests/test_processes.py",
    "rerank_plugins/reports.py",
]
MUTATIONS = [
    ("engine.py", "error.scope == \"backend\" and ", "", "a refusal of one request switches the backend off"),
    ("engine.py", " and call.request.reply is not Found", "", "a search is switched off"),
    ("engine.py", "max(call.ready_at, self._hold.get(id(call.backend), 0.0))", "call.ready_at", "the last wait holds, not the longest"),
    ("engine.py", "        reply = checked(call.request, reply, _name_of(call.backend))\n", "", "numbers are not checked"),
    ("engine.py", "if checked(call.units[position], part) is part:", "if True:", "replies with gaps are cached"),
    ("engine.py", "job.stop.set()  # what it might go on to say, nobody waits for", "pass", "a batch that repeats itself is heard for ever"),
    ("engine.py", "self._refusing[id(job.backend)] = error\n        return error", "return error", "a model that hangs is asked again"),
    ("engine.py", "run.in_vain > _MOST_IN_VAIN or (run.in_vain and self._is_late(self._grace))", "False", "a method that asks for ever is not ended"),
    ("engine.py", "while not batch and empty < _MOST_IN_VAIN:", "while not batch:", "empty batches for ever"),
    ("engine.py", "        except KeyboardInterrupt:\n            raise  # that is the user's, who happened to press Ctrl-C just now\n        except BaseException:", "        except ValueError:", "an observer's fault costs the ranking"),
    ("engine.py", "self._limits.max_concurrency - calls,", "_OPEN_QUERIES,", "tasks are read although no call is free"),
    ("_waiting.py", "    except BaseException as error:  # noqa: BLE001 # even SystemExit ends", "    except Exception as error:  # noqa: BLE001 # even SystemExit ends", "SystemExit in a thread is lost"),
    ("_waiting.py", "        except BaseException as error:  # noqa: BLE001 # a client may raise", "        except Exception as error:  # noqa: BLE001 # a client may raise", "CancelledError of a client is lost"),
    ("_waiting.py", "    return not job.batched and hasattr(job.backend, \"aanswer\")", "    return hasattr(job.backend, \"aanswer\")", "a backend of all forms is asked the wrong way"),
    ("_waiting.py", "        engine.end_of_tasks()\n    reader.ask", "        pass\n    reader.ask", "an endless iterator holds the deadline up"),
    ("_waiting.py", "            await asyncio.wait(self._running, timeout=_FAREWELL_S)", "            pass", "what is cancelled is not awaited"),
    ("_waiting.py", "        if time.monotonic() - self._began > _TURN_S:", "        if False:", "the loop has no turn"),
    ("backends/shared.py", "        except BaseException as error:  # whatever the model raises", "        except ValueError as error:  # whatever the model raises", "a fault in a shared batch hangs its callers"),
    ("backends/_processes.py", "        renew(holder)", "        pass", "a fork waits for threads of its parent"),
    ("ranking.py", "verdict.score_kind if scored or not (named or unnamed) else \"order\"", "verdict.score_kind", "nothing scored: no order to cut"),
    ("prompts/label_mass.py", "< LEAST", "< 0", "labels that say nothing count"),
    ("errors.py", "scope=\"backend\")", "scope=\"request\")", "a wrong key is tried for every document"),
]  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "site", ".*_cache", ".hypothesis")
        shutil.copytree(ROOT, copy, ignore=ignored)
        if found := _caught(copy):
            sys.exit(f"The tests do not pass on the tree as it is: {found}")
        missed = 0
        for name, old, new, what in MUTATIONS:
            path = copy / "rerank_plugins" / name
            text = path.read_text(encoding="utf-8")
            assert text.count(old) >= 1, f"{name} has no {old!r}"
            path.write_text(text.replace(old, new), encoding="utf-8")
            caught = _caught(copy)
            path.write_text(text, encoding="utf-8")
            missed += not caught
            print(f"{'caught' if caught else 'MISSED'}  {name:24} {what}: {caught}", flush=True)
        print(f"{len(MUTATIONS) - missed} of {len(MUTATIONS)} caught")


def _caught(copy: Path) -> str:
    """The first test that fails, or runs for more than its time, or ""."""
    integrations = [str(path) for path in (copy / "integrations").iterdir()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(copy), *integrations])}
    command = [
        sys.executable,
        "-m",
        "pytest",
        *TESTS,
        "-q",
        "-x",
        "-n",
        "2",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
    ]
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        return "a test that does not end"
    if done.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.M)
    return failed[1] if failed else done.stdout[-300:]


if __name__ == "__main__":
    main()
