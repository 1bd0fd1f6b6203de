"""`ottb slot history`: what is shown of figures."""

from bus_schemas.monitor import History, Point
from cli.history import HEIGHT, WIDTH, plot, rows


def history(*means: float) -> History:
    points = [
        Point(at=f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}:00.000Z", min=mean - 1, mean=mean, max=mean + 1)
        for minute, mean in enumerate(means)
    ]
    return History(kind="slot", id="44", metric="temperature", unit="C", step=60, points=points)


def test_each_step_is_a_line_with_its_bounds() -> None:
    head, first, second = rows(history(30, 31.5))
    assert head.split() == ["from", "min", "mean", "max", "C"]
    assert first.split() == ["2026-01-01T00:00:00.000Z", "29", "30", "31"] and second.split()[2] == "31.5"


def test_a_plot_goes_from_the_least_to_the_greatest_mean() -> None:
    lines = [*plot(history(*range(30, 50)))]
    assert len(lines) == HEIGHT + 2
    assert lines[0].split()[0] == "49" and lines[0].endswith("█")
    assert lines[HEIGHT - 1].split()[0] == "30" and lines[HEIGHT - 1].count("█") >= 17
    assert "00:00" in lines[HEIGHT] and lines[HEIGHT].endswith("00:19") and "temperature of slot 44, C" in lines[-1]


def test_more_steps_than_fit_share_columns_and_none_is_left_out() -> None:
    lines = [*plot(history(*([20.0] * 700), 90.0))]
    assert max(map(len, lines)) <= WIDTH + 11
    assert lines[0].endswith("█") and len(lines[0]) == WIDTH + 11, "the peak at the end is seen"


def test_a_figure_that_stays_and_one_that_is_not_there_are_plotted_too() -> None:
    assert [*plot(history())] == ["nothing was measured in that time"]
    assert len([*plot(history(30, 30))]) == HEIGHT + 2
