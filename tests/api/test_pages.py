"""The files of the page and of the documentation, as any client gets them; browsers are asked in tests/page."""

import re

import pytest

from orpheus_tts.adapters.litserve.pages import PAGE_PATHS

TYPES = {
    "/ui": "text/html; charset=utf-8",
    "/ui/page.js": "text/javascript; charset=utf-8",
    "/ui/page.css": "text/css; charset=utf-8",
    "/ui/icon.svg": "image/svg+xml",
    "/docs": "text/html; charset=utf-8",
    "/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
}


@pytest.mark.parametrize("path", TYPES)
def test_each_file_has_its_type_and_a_policy_against_other_origins(server, path):
    answer = server.get(path)
    assert (200, TYPES[path]) == (answer.status_code, answer.headers["content-type"])
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert "nosniff" == answer.headers["x-content-type-options"]


def test_a_file_is_sent_again_only_if_it_changed(server):
    first = server.get("/ui")
    assert "no-cache" == first.headers["cache-control"]
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
        again = server.request("GET", "/ui", headers={"if-none-match": known})
        assert (304, b"") == (again.status_code, again.content)
        assert first.headers["etag"] == again.headers["etag"]
    assert 200 == server.request("GET", "/ui", headers={"if-none-match": '"other"'}).status_code


def test_head_tells_of_a_file_without_sending_it(server):
    whole, head = server.get("/ui"), server.request("HEAD", "/ui")
    assert (200, b"") == (head.status_code, head.content)
    assert whole.headers["content-length"] == head.headers["content-length"]


@pytest.mark.parametrize("page", ["/ui", "/docs"])
def test_a_page_links_only_to_what_this_server_has(server, page):
    links = re.findall(r'(?:src|href|data-url)="([^"]+)"', server.get(page).text)
    assert links
    assert not [link for link in links if ":" in link or link.startswith("/")]  # relative: also behind a proxy's prefix
    assert {200} == {server.get(f"/{link}").status_code for link in links}


def test_modules_import_only_what_this_server_has(server):
    modules = [path for path in PAGE_PATHS if path.startswith("/ui/") and path.endswith(".js")]
    imported = {name for path in modules for name in re.findall(r"from '(.+)'", server.get(path).text)}
    assert imported <= {path.replace("/ui/", "./") for path in modules}


def test_the_frameworks_pages_that_load_from_elsewhere_are_gone(server):
    assert {404} == {server.get(path).status_code for path in ("/redoc", "/docs/oauth2-redirect")}


def test_pages_are_no_part_of_the_api(server):
    assert not PAGE_PATHS & set(server.get("/openapi.json").json()["paths"])
    assert "/ui" == server.get("/").json()["ui"]


def test_pages_are_open_where_keys_are_wanted(guarded):
    assert {200} == {guarded.get(path).status_code for path in PAGE_PATHS}
    assert 401 == guarded.request("POST", "/ui").status_code
