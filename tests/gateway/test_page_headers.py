"""What a page's headers say of its list."""

from aiohttp.test_utils import make_mocked_request

from actors.runtime.wire import CURSOR_HEADER, INEXACT_HEADER, TOTAL_HEADER
from gateway.page_headers import page_headers


def test_a_total_that_is_not_exact_says_so() -> None:
    request = make_mocked_request("GET", "/api/crm/leads?limit=1")
    assert page_headers({TOTAL_HEADER: "2"}, request, by_link=False) == {"X-Total-Count": "2"}
    beyond = page_headers({TOTAL_HEADER: "10000", INEXACT_HEADER: "1"}, request, by_link=False)
    assert beyond == {"X-Total-Count": "10000", "X-Total-Count-Exact": "false"}


def test_a_page_that_came_by_a_link_does_not_say_it_again() -> None:
    request = make_mocked_request("GET", "/api/crm/leads?limit=1")
    found = page_headers({CURSOR_HEADER: "abc"}, request, by_link=False)
    assert found == {"X-Next-Cursor": "abc", "Link": '</api/crm/leads?limit=1&cursor=abc>; rel="next"'}
    assert page_headers({CURSOR_HEADER: "abc"}, request, by_link=True) == {"X-Next-Cursor": "abc"}
