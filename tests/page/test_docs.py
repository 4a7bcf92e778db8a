"""The documentation of the API, shown by the server itself."""


def test_the_documentation_shows_every_operation_and_asks_nobody_else(visit, server):
    here = visit(server).open("/docs")
    here.page.get_by_role("heading", name="Orpheus TTS").wait_for()
    shown = here.page.eval_on_selector_all(".opblock-summary-path", "paths => paths.map(path => path.dataset.path)")
    described = here.page.request.get(f"{server.url}/openapi.json").json()["paths"]
    assert sorted(described) == sorted(set(shown))
    assert {True} == {request.url.startswith(("data:", server.url)) for request in here.requests}
    assert [] == [complaint for complaint in here.complaints if complaint[0] == "error"]
    assert [] == here.page.evaluate("violations")


def test_the_documentation_can_be_tried(visit, server):
    here = visit(server).open("/docs")
    here.page.locator(".opblock-summary-path[data-path='/health']").click()
    here.page.get_by_role("button", name="Try it out").click()
    here.page.get_by_role("button", name="Execute").click()
    here.page.locator(".live-responses-table .response-col_status", has_text="200").first.wait_for()
    assert [] == here.page.evaluate("violations")
