"""The dashboard asks for nothing but what a running server tells."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

DASHBOARD = json.loads((Path(__file__).parents[3] / "docs/grafana/orpheus-tts.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
# Grafana puts them in: the variables, and how far a rate looks back.
VARIABLES = {"$__rate_interval": "5m", "$job": ".*", "$instance": ".*"}
# vLLM's own are looked for where there is a vLLM, in tests/engine.
ENGINES_OWN = "vllm:"
# Prometheus adds them to whatever it scrapes.
SCRAPED = {"job", "instance"}


def selectors(expression):
    """Every metric that an expression asks for, with its labels."""
    found = []

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, {matcher.name for matcher in node.matchers.matchers}))

    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    descend(promql_parser.parse(expression), visit)
    return found


def descend(node, visit):
    visit(node)
    for part in ("lhs", "rhs", "expr", "param", "vector_selector"):
        if getattr(node, part, None) is not None:
            descend(getattr(node, part), visit)
    for argument in getattr(node, "args", ()):
        descend(argument, visit)


def groupings(expression):
    """Labels that an expression groups by."""
    return {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ")}


@pytest.fixture(scope="module")
def told(serve):
    """Labels by the metrics' names."""
    with serve(TTS_HTTP_WORKERS="2") as served:
        for act in ("Say", "Retry", "Mute"):
            served.speak(f"{act} a sentence, if you please.")
        served.speak(stream=False)
        text = served.client.get("/metrics").text
    labels = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_asks_for_what_a_running_server_tells(told, expression):
    asked = [each for each in selectors(expression) if not each[0].startswith(ENGINES_OWN)]
    assert asked or ENGINES_OWN in expression
    for name, matched in asked:
        assert name in told
        assert matched | groupings(expression) <= told[name] | SCRAPED
        assert matched >= SCRAPED


def test_every_figure_has_its_place_on_the_dashboard(told):
    shown = {re.sub("_(bucket|sum|count)$", "", name) for each in EXPRESSIONS for name, _ in selectors(each)}
    shown = {name for name in shown if not name.startswith(ENGINES_OWN)}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in told} == shown


def test_legends_name_labels_of_their_expression():
    for panel in PANELS:
        for target in panel["targets"]:
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= groupings(target["expr"])


def test_grafana_finds_what_it_needs():
    assert {"title", "uid", "schemaVersion", "templating", "time", "panels"} <= DASHBOARD.keys()
    assert DASHBOARD["schemaVersion"] >= 39  # Grafana 11
    names = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert ["datasource", "job", "instance"] == names
    assert 6 == sum(panel["type"] == "row" for panel in DASHBOARD["panels"])
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(source == asked["datasource"] for asked in (panel, *panel["targets"]))
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(set(titles)) == len(titles)


def test_panels_do_not_overlap():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (column, line)
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
