"""Links that a browser opens without a header: signed for one path and query, in one user's name, for a short time.

What the user may do is asked when a link is opened, as with a token; a link lets in nowhere else, and ends with the
session or the service token that made it.
"""

from actors.point.tokens import Claims
from actors.runtime.clock import Clock
from actors.runtime.ids import Ids
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from bus_schemas.link import MAKERS, PARAMETER, MakeLink
from bus_schemas.user import Identity

NOT_OF_HTTP = RefusalTemplate(ErrorCode.CONFLICT, "Links are made over HTTP, with an access token or a service token.")


def claims_of(request: MakeLink, asker: Identity, *, clock: Clock, ids: Ids, most: int) -> Claims:
    """What a link to a path says. `most`: seconds for which one is good, as an access token is. Raises
    Refusal(INVALID_PARAMS, CONFLICT)."""
    if asker.kind not in MAKERS:
        raise NOT_OF_HTTP()
    path, _, query = request.path.partition("?")
    if path.startswith("//") or any(part == ".." for part in path.split("/")):
        raise misfit("path", "a path of this site, like /api/dci/logs/follow?severity=error.")
    if any(part.partition("=")[0] == PARAMETER for part in query.split("&")):
        raise misfit("path", f"the parameter `{PARAMETER}` is what the link adds.")
    now = int(clock.now().timestamp())
    return Claims(
        user=asker.user, session=f"{asker.kind}:{asker.id}", role="", token_id=ids.new(), issued=now,
        expires=now + min(request.seconds, most), path=request.path,
    )  # fmt: skip
