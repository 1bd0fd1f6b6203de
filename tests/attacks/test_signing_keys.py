"""Attacks with a signing key that is believed no more, or not yet."""

import jwt

from actors.point.tokens import Claims, public_key, write_access
from tests.support.attacked import KEYS, MAKER, attacked_point

ASK = "/api/point/rolecheck?action=call.view"
LEAKED = {"0002": b"leaked" * 8}


async def test_a_key_that_was_dropped_opens_nothing_also_for_tokens_seen_before() -> None:
    async with attacked_point() as attacked:
        token = await attacked.login()
        session = jwt.decode(token, options={"verify_signature": False})["sid"]
        forged = write_access(
            Claims(user=MAKER, session=session, role="admin", token_id="x", issued=1, expires=2**40), LEAKED
        )
        assert (await attacked.ask("GET", ASK, forged))[0] == 401
        attacked.public["0002"] = public_key(LEAKED["0002"])
        assert (await attacked.ask("GET", ASK, forged))[0] == 200  # as the site's own
        del attacked.public["0002"]
        assert (await attacked.ask("GET", ASK, forged))[0] == 401
        assert (await attacked.ask("GET", ASK, token))[0] == 200
        status, key_set = await attacked.ask("GET", "/.well-known/jwks.json", None)
        assert (status, [key["kid"] for key in key_set["keys"]]) == (200, list(KEYS))
        assert all(set(key) == {"kty", "crv", "x", "kid", "use", "alg"} for key in key_set["keys"])  # nothing secret
