"""The pictures of bench/plots: SVG, the same bytes for the same figures."""

import math
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "betedge", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
from matplotlib import pyplot  # noqa: E402

INK, OURS, MISSED = "#444444", "#1f6f8b", "#c8553d"


def save(figure, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    pyplot.close(figure)


def targets(found: list[dict], path: Path) -> None:
    """Every figure as a multiple of its target, better to the right: met from the line on."""
    outcomes = [entry["outcome"] for entry in found][::-1]
    multiples = [outcome["floor"] / outcome["figure"] if outcome["at_most"] else outcome["figure"] / outcome["floor"] for outcome in outcomes]
    figure, axes = pyplot.subplots(figsize=(9, 0.26 * len(outcomes) + 0.9))
    most = 16.0  # what is further is as good as there
    for y, (outcome, multiple) in enumerate(zip(outcomes, multiples)):
        is_met = multiple >= 1
        multiple = min(multiple, most)
        axes.barh(y, multiple, color=OURS if is_met else "white", edgecolor=OURS if is_met else MISSED, hatch=None if is_met else "////", height=0.62)
        axes.annotate(f"{outcome['figure']:.2f} {outcome['unit']}" + ("" if is_met else "  missed"), (multiple, y), xytext=(3, 0), textcoords="offset points",
                      va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(outcomes)), [outcome["work"] for outcome in outcomes], fontsize=8)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 4, 8, 16], ["½", "target", "2 ×", "4 ×", "8 ×", "16 ×"])
    axes.minorticks_off()
    axes.set_ylim(-0.8, len(outcomes) - 0.2)
    axes.set_title("How far each figure is past its target", loc="left", fontsize=10)
    save(figure, path)


def growth(title: str, over: str, series: list[tuple[float, float, float]], path: Path) -> None:
    """Seconds and MiB over what grows, both axes logarithmic, each with its slope in the last step; dotted is slope 1."""
    xs = [x for x, _, _ in series]
    figure, (time, memory) = pyplot.subplots(1, 2, figsize=(9, 3))
    for axes, index, unit in ((time, 1, "seconds"), (memory, 2, "MiB")):
        ys = [point[index] for point in series]
        axes.loglog(xs, ys, "o-", color=OURS, markersize=4)
        last = len(xs) - 1
        axes.loglog(xs, [ys[last] * x / xs[last] for x in xs], ":", color=INK, linewidth=0.8)
        axes.set_ylim(min(ys) / 2, max(ys) * 2)
        axes.set_xlabel(over)
        slope = math.log(ys[-1] / ys[-2]) / math.log(xs[-1] / xs[-2])
        axes.set_title(f"{unit}, slope {slope:.2f} at the end", loc="left", fontsize=9)
        axes.grid(True, which="major", linewidth=0.3)
    figure.suptitle(title, x=0.07, ha="left", fontsize=10)
    figure.tight_layout()
    save(figure, path)
