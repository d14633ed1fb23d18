"""A job in a notebook, and a bar while one waits."""

from __future__ import annotations

import atexit
import html
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .models import JobInfo

_COLOURS = {"completed": "#2e7d32", "completed_with_errors": "#b26a00", "failed": "#b3261e", "cancelled": "#6b6b6b"}


def as_html(now: JobInfo) -> str:
    """A bar, the counts, and what stands in the way; no script, no style sheet."""
    colour = _COLOURS.get(now.state, "#1f6f8b")
    counts = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in now.items.items() if count)
    notes = "".join(f"<div>{html.escape(note)}</div>" for note in (now.waiting_for, now.error_message) if note)
    return (
        f'<div style="font:13px system-ui;max-width:46em"><b>betedge job</b> <code>{html.escape(now.id)}</code> {now.state.replace("_", " ")}'
        f'<div style="background:#8883;border-radius:4px;height:8px;margin:4px 0" role="progressbar" aria-valuenow="{now.progress.percentage:g}">'
        f'<div style="background:{colour};width:{now.progress.percentage:g}%;height:8px;border-radius:4px"></div></div>'
        f"{now.progress.completed:,} of {now.progress.total:,} items ({counts}), {now.rows:,} rows, {now.bytes / 1e6:,.1f} MB{notes}</div>"
    )


def bar() -> Callable[[JobInfo], None]:
    """A progress bar for `wait_for_completion(on_progress=betedge.bar())`: tqdm's when it is there (a widget in a notebook),
    rich's when that is, else a line on standard error that is written over. One may serve several jobs, one after another."""
    try:
        tqdm: Any = import_module("tqdm.auto").tqdm
    except ImportError:
        return _rich_bar() or _plain_bar()
    bars: dict[str, Any] = {}

    def show(now: JobInfo) -> None:
        if now.id not in bars:
            bars[now.id] = tqdm(total=now.progress.total, unit="item")
        shown = bars[now.id]
        shown.total = now.progress.total
        shown.set_postfix_str(_tail(now), refresh=False)
        shown.update(now.progress.completed - shown.n)
        if now.has_ended:
            shown.close()
            del bars[now.id]

    return show


def _tail(now: JobInfo) -> str:
    failed = f", {now.items['failed']} failed" if now.items.get("failed") else ""
    return f"{now.rows:,} rows{failed}{', waiting: ' + now.waiting_for if now.waiting_for else ''}"


def _rich_bar() -> Callable[[JobInfo], None] | None:
    try:
        rich: Any = import_module("rich.progress")
    except ImportError:
        return None
    bars: dict[str, Any] = {}

    def show(now: JobInfo) -> None:
        if now.id not in bars:
            shown = rich.Progress()
            bars[now.id] = shown, shown.add_task("betedge")
            shown.start()
            atexit.register(shown.stop)  # a wait that was given up leaves the terminal as it was
        shown, task = bars[now.id]
        shown.update(task, completed=now.progress.completed, total=now.progress.total, description=_tail(now))
        if now.has_ended:
            shown.stop()
            atexit.unregister(shown.stop)
            del bars[now.id]

    return show


def _plain_bar() -> Callable[[JobInfo], None]:
    def show(now: JobInfo) -> None:
        done = int(now.progress.percentage / 5)
        sys.stderr.write(f"\r[{'#' * done}{'.' * (20 - done)}] {now.progress.completed}/{now.progress.total} items, {_tail(now)}\033[K" + ("\n" if now.has_ended else ""))
        sys.stderr.flush()

    return show
