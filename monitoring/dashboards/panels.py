"""The few kinds of panels that all dashboards are made of."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, ThresholdsConfig
from grafana_foundation_sdk.models.common import BigValueGraphMode, GraphDrawStyle, LegendDisplayMode, StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24
"""Columns of a dashboard."""


def dashboard(name: str, title: str, description: str) -> Dashboard:
    """An empty dashboard with the choice of a data source."""
    return (
        Dashboard(f"Trainwright / {title}")
        .uid(f"trainwright-{name}")
        .description(description)
        .tags(["trainwright"])
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )


def choice(name: str, label: str, query: str, *, several: bool) -> QueryVariable:
    """A variable whose values a query finds.

    Args:
        name: the variable.
        label: its name for people.
        query: such as `label_values(metric, label)`.
        several: whether more than one value, or all, can be chosen.
    """
    variable = (
        QueryVariable(name).label(label).query(query).datasource(SOURCE).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )
    if several:
        everything = VariableOption(text="All", value="$__all", selected=True)
        variable = variable.multi(True).include_all(True).all_value(".+").current(everything)
    return variable


def number(title: str, query: str, unit: str = "short", *, bad_above: float | None = None) -> stat.Panel:
    """One number; red above a limit, if there is one."""
    steps = [Threshold(value=None, color="green")]
    if bad_above is not None:
        steps.append(Threshold(value=bad_above, color="red"))
    thresholds = ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    return (
        stat.Panel()
        .title(title)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(thresholds)
        .graph_mode(BigValueGraphMode.NONE)
        .height(4)
        .span(WIDTH // 6)
        .with_target(_query(query, "A", instant=True))
    )


def lines(
    title: str, queries: Mapping[str, str], unit: str = "short", *, stacked: bool = False, description: str = ""
) -> timeseries.Panel:
    """Lines over time.

    Args:
        title: of the panel.
        queries: by the legend of their series.
        unit: Grafana's name of it.
        stacked: whether they are parts of a whole.
        description: what a reader should know.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .draw_style(GraphDrawStyle.LINE)
        .fill_opacity(40 if stacked else 5)
        .legend(common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).show_legend(True))
        .height(8)
        .span(WIDTH // 2)
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for letter, (legend, query) in zip("ABCDEF", queries.items(), strict=False):
        panel = panel.with_target(_query(query, letter).legend_format(legend))
    return panel


def rows(title: str, query: str, hidden: tuple[str, ...] = (), description: str = "") -> table.Panel:
    """A table with a row for each series of a query: its labels, and its value."""
    names: dict[str, bool] = dict.fromkeys(("Time", "__name__", "instance", "job", "pod", *hidden), True)
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .show_header(True)
        .height(9)
        .span(WIDTH)
        .with_target(_query(query, "A", instant=True).format("table"))
        .with_transformation(_organize(names))
    )


def _organize(hidden: Mapping[str, bool]) -> DataTransformerConfig:
    return DataTransformerConfig(id_val="organize", options={"excludeByName": dict(hidden)})


def _query(query: str, letter: str, *, instant: bool = False) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query).ref_id(letter).datasource(SOURCE)
    return target.instant() if instant else target.range()
