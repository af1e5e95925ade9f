"""What was measured, as Markdown tables and as a picture."""

import os
import statistics

import tasks
import tools


def number(value):
    return f"{value:,}"


def seconds(value):
    return "%.3f s" % value if value < 1 else "%.2f s" % value if value < 10 else "%.1f s" % value


def times(ratio):
    return "%.2f" % ratio if ratio < 10 else "%.0f" % ratio


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def cells_of(measurements, tool):
    return [cell for m in measurements for cell in m.cells if cell.tool == tool and not cell.reason]


def time_table(measurements):
    """A task a line, a tool a column: the median, and how many times expstat's it is."""
    reasons = []

    def text(cell, ours):
        if cell.reason:
            if cell.reason not in reasons:
                reasons.append(cell.reason)
            return "— (%d)" % (reasons.index(cell.reason) + 1)
        if cell.tool == "expstat":
            return seconds(cell.seconds)
        ratio = cell.seconds / ours.seconds
        return ("%s, **%s**" if ratio < 1 else "%s, %s") % (seconds(cell.seconds), times(ratio))

    head = ["task", *(tools.TITLES[c.tool] for c in measurements[0].cells)]
    yield from table(head, ([m.task.title, *(text(c, m.cells[0]) for c in m.cells)] for m in measurements))
    if reasons:
        yield ""
        yield "; ".join("(%d) %s" % pair for pair in enumerate(reasons, 1)) + "."


def loading_table(loadings, options):
    """Seconds to bring PostgreSQL's tables into a tool's own format."""
    loading = [t for t in options.tools if t in tools.OWN_FORMAT]
    rows = [
        [f"{', '.join(tasks.FAMILIES[family])}: {number(tasks.rows_of(family, units))} rows", *(seconds(s[t]) for t in loading)]
        for (units, family), s in loadings.items()
    ]
    return table(["loading, not in the times above", *(tools.TITLES[t] for t in loading)], rows) if loading else []


def client_table(measurements):
    """What the client's process takes, and how much of the time it spends on reading the rows."""
    rows = []
    for m in measurements:
        reading = [
            "%.0f %%" % (100 * c.last.notes["reading"] / c.last.seconds) if c.last and "reading" in c.last.notes else None
            for c in m.cells
        ]
        memory = ["—" if c.reason else "%.0f MB" % c.last.peak_mb for c in m.cells]
        rows.append([m.task.title, *(f"{a}, {b}" if b else a for a, b in zip(memory, reading))])
    head = ["memory of the client, part of the time that goes into reading", *(tools.TITLES[c.tool] for c in measurements[0].cells)]
    return table(head, rows)


def agreement(measurements):
    """One sentence: the largest deviation from expstat's answers, by task."""
    largest = {}
    for m in measurements:
        for cell in m.cells[1:]:
            if cell.deviation is not None:
                largest[m.task] = max(cell.deviation, largest.get(m.task, 0))
    what = {"assign": "%.1f standard errors from an even split (each tool has its own hash)", "assign_md5": "%d units"}
    return "Largest difference from expstat's answer, in standard errors and relative to the p-value: %s." % "; ".join(
        task.title + " " + what.get(task.name, "%.1g") % value for task, value in largest.items()
    )


def noise(measurements):
    spreads = [(max(c.times) - min(c.times)) / c.seconds for m in measurements for c in m.cells if not c.reason and len(c.times) > 1]
    if not spreads:
        return "One run each: the noise is not known."
    return "Noise: from the fastest to the slowest run of a cell it is %.0f %% of the median, in the middle of all cells; %.0f %% in the worst." % (
        100 * statistics.median(spreads),
        100 * max(spreads),
    )


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(": ")[1].strip() for line in file if line.startswith("model name")), "unknown")


def markdown(measurements, loadings, versions, options):
    lines = [
        ", ".join(versions) + ".",
        "%d cores of %s; medians of %d; a number behind a time is its ratio to expstat's, bold where expstat is slower."
        % (os.cpu_count(), processor(), options.runs),
        noise(measurements),
        agreement(measurements),
    ]
    for units in options.units:
        here = [m for m in measurements if m.units == units]
        for threads in options.threads:
            lines += ["", "**%s units, %s**" % (number(units), "1 thread" if threads == 1 else "%d threads" % threads), ""]
            lines += time_table([m for m in here if m.threads == threads])
        lines += ["", *client_table([m for m in here if m.threads == options.threads[0]])]
    lines += ["", *loading_table(loadings, options)]
    return "\n".join(lines)


def plot(measurements, path):
    """A panel per size and number of threads, a line per task, a mark per tool: time over expstat's."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "expstat", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    panels = list(dict.fromkeys((m.units, m.threads) for m in measurements))
    names = [t for t in tools.TITLES if t != "expstat" and cells_of(measurements, t)]
    titles = list(dict.fromkeys(m.task.title for m in measurements))
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(8, 0.9 + (0.3 * len(titles) + 0.6) * len(panels)), sharex=True, squeeze=False
    )
    for axis, (units, threads) in zip(axes[:, 0], panels):
        for tool, mark, color in zip(names, "sv^DoPX", ["C7", "C1", "C3", "C4", "C2", "C0", "C5"]):
            points = [
                (c.seconds / m.cells[0].seconds, m.task.title)
                for m in measurements
                if (m.units, m.threads) == (units, threads)
                for c in m.cells
                if c.tool == tool and not c.reason
            ]
            axis.plot([x for x, _ in points], [titles.index(t) for _, t in points], mark, color=color,
                      label=tools.TITLES[tool], markersize=5, alpha=0.9)
        axis.axvline(1, color="black", linewidth=1)
        axis.set_xscale("log")
        axis.set_yticks(range(len(titles)), titles)
        axis.set_ylim(len(titles) - 0.5, -0.5)
        axis.grid(True, alpha=0.3)
        axis.set_title("%s units, %s" % (number(units), "1 thread" if threads == 1 else "%d threads" % threads), fontsize=9)
    ticks = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
    axes[-1, 0].set_xticks(ticks, ["%g" % t for t in ticks])
    axes[-1, 0].minorticks_off()
    axes[-1, 0].set_xlabel("time, as a multiple of expstat's (left of 1: faster than expstat)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0.08 if len(panels) < 3 else 0.05, 1, 1))
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else {})
