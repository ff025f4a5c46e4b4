"""Tables as Markdown has them: the first column names, the others count; and how the rows of a suite are found."""


def table(head, rows):
    align = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, align, *rows]) + "\n"


def judged(bounds):
    """A table of bounds: (what, measured, bound, whether it is at most that)."""
    cells = [
        [what, f"{value:.2f}", f"{'≤' if is_most else '≥'} {bound}", "yes" if (value <= bound if is_most else value >= bound) else "no"]
        for what, value, bound, is_most in bounds
    ]
    return table(["bound", "measured", "asked for", "held"], cells)


def named(rows, part):
    return [row for row in rows if part in row["consumer"]]


def only(rows, name, **load):
    [row] = [row for row in rows if row["consumer"] == name and all(row["load"][key] == value for key, value in load.items())]
    return row


def costs(rows, noun):
    """Parts of the floor, each with its CPU."""
    cells = [[row["consumer"], f"{row['cpu_us']:.1f}"] for row in rows]
    return table(["part", f"CPU µs a {noun}"], [*cells, ["the sum", f"{sum(row['cpu_us'] for row in rows):.1f}"]])


def beside(rows, ours, noun, called=lambda row: row["consumer"]):
    """Whole consumers, each beside ours."""

    def line(row):
        cells = [f"{row['cpu_us']:,.0f}", f"{row['cpu_us'] / ours['cpu_us']:.2g}", f"{row['rate']:,.0f}"]
        return [called(row), *cells, row["connections"], row["most_open"], f"{row['rss_mb']:.0f}", f"{row['bytes']:,.0f}"]

    head = ["consumer", f"CPU µs a {noun}", "× ours", f"{noun}s/s", "connections made", "open at once", "RSS MB", f"bytes a {noun}"]
    return table(head, [line(row) for row in rows])
