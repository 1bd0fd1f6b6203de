"""Notes over HTTP, and what Socket.IO clients hear of one."""


from bus_schemas.fields import CallId, Id
from bus_schemas.note import (
    ADD_NOTE,
    DELETE_NOTE,
    EDIT_NOTE,
    GET_NOTE,
    LIST_CALL_NOTES,
    LIST_LEAD_NOTES,
    LIST_NOTE_VERSIONS,
    NOTE,
    NOTE_ADDED,
    NOTE_DELETED,
    NOTE_EDITED,
    NoteAdded,
    NoteDeleted,
    NoteEdited,
    NoteUpdate,
)
from gateway.routes import Part, Room, Route, shared_fields

P = Part

# fmt: off
ROUTES = (
    #     method    path                                          contract            status part
    Route("POST",   "/api/crm/note",                              ADD_NOTE,           201, P.WORKSPACE, True),
    Route("GET",    "/api/crm/notes/{call_id}",                   LIST_CALL_NOTES,    200, P.WORKSPACE),
    Route("GET",    "/api/crm/leads/{campaign_id}/{lead}/notes",  LIST_LEAD_NOTES,    200, P.WORKSPACE),
    Route("GET",    "/api/crm/note/{note}",                       GET_NOTE,           200, P.WORKSPACE, light=True),
    Route("GET",    "/api/crm/note/{note}/history",               LIST_NOTE_VERSIONS, 200, P.WORKSPACE),
    Route("PATCH",  "/api/crm/note/{note}",                       EDIT_NOTE,          200, P.WORKSPACE),
    Route("DELETE", "/api/crm/note/{note}",                       DELETE_NOTE,        200, P.WORKSPACE),
)
# fmt: on


def present(event: NoteAdded | NoteEdited | NoteDeleted) -> NoteUpdate:
    """What an event says of its note."""
    fields = shared_fields(event, NoteUpdate)
    match event:
        case NoteAdded():
            return NoteUpdate(**fields, change="added")
        case NoteEdited():
            return NoteUpdate(**fields, change="edited")
        case NoteDeleted():
            return NoteUpdate(**fields, change="deleted")


ROOM = Room(
    NOTE, NoteUpdate, (NOTE_ADDED, NOTE_EDITED, NOTE_DELETED), present,
    narrows=(("call_id", CallId), ("campaign_id", Id), ("lead", Id)),
)  # fmt: skip
