"""How the do-not-call lists of a host start."""

from collections.abc import Callable, Container
from contextlib import AsyncExitStack

from actors.do_not_call.actor import Change, DoNotCallActor
from actors.do_not_call.desk import Desk
from actors.do_not_call.followed import Followed
from actors.runtime.bus import BusError
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.journalled import Unreadable
from actors.runtime.marks import marks_of
from actors.runtime.parts import HostParts
from actors.runtime.shards import Sharded
from actors.runtime.wire import Page
from actors.telephony.numbers import Number
from bus_schemas.do_not_call import CHANGE_DO_NOT_CALL, DO_NOT_CALL, ChangeDoNotCall, DoNotCallChanged
from bus_schemas.errors import ErrorCode, Refusal


async def start(
    parts: HostParts,
    stack: AsyncExitStack,
    *,
    region: str,
    accepts: Callable[[Number], bool],
    in_settings: Container[str],
) -> Followed:
    """The lists are followed here for whoever dials, can be changed and asked about, and those of this host's shards
    are owned."""
    lists = Followed(host=parts.host, marks=await marks_of(parts.bus))
    await lists.follow()
    stack.push_async_callback(lists.stop)
    desk = Desk(host=parts.host, lists=lists, region=region, accepts=accepts, in_settings=in_settings)
    parts.any_host.append(desk.handlers())
    parts.registries.append(lists)
    parts.shards.add(on_shards(lists))
    return lists


def _is_there(host: Host, id: str) -> bool:
    """Whether something is on record of a list. To find that out by making an owner would put it there, for good."""
    return host.get(DoNotCallActor, id) is not None or (DO_NOT_CALL.name, id) in host.quarantined


def on_shards(lists: Followed) -> Sharded:
    """The owners of lists, wherever their shard is."""

    def prepare(host: Host) -> None:
        async def change(request: ChangeDoNotCall, context: Context) -> Page:
            if not request.add and not _is_there(host, request.list):
                said = DoNotCallChanged(list=request.list, unchanged=len(request.remove))
                return Page(body=said, changed=False)
            try:
                await host.activate(DoNotCallActor, request.list)
            except BusError:
                raise Refusal(ErrorCode.UNAVAILABLE, "The list has no owner for a moment. Try again.") from None
            except Unreadable as error:
                raise Refusal(ErrorCode.CONFLICT, f"The list cannot be changed: {error}", list=request.list) from None
            said = await host.order(DoNotCallActor, request.list, Change(request=request), context)
            return Page(body=said, seq=lists.known(request.list).seq, changed=bool(said.added or said.removed))

        host.add_maker(DoNotCallActor.made_by(lambda id, host: DoNotCallActor(id=id, host=host, lists=lists)))
        host.serve_beside(CHANGE_DO_NOT_CALL, change)

    return Sharded(actor=DoNotCallActor, prepare=prepare)
