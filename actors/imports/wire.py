"""What is read of a list, in the structs of events and answers, and back. Pure."""

from actors.leads.mapping import Mapping, still_unsure
from actors.leads.parts import shortened
from actors.leads.preview import Counts, Preview
from actors.leads.reading import Layout
from bus_schemas.errors import misfit
from bus_schemas.imports import Columns, FileLayout, ImportCounts, ImportPreview, MapColumns, PreviewProblem, PreviewRow

SHOWN = 8000  # characters of a row of a preview


def wire_layout(layout: Layout) -> FileLayout:
    return FileLayout(encoding=layout.encoding, delimiter=layout.delimiter, said=layout.said)


def layout_of(layout: FileLayout) -> Layout:
    return Layout(encoding=layout.encoding, delimiter=layout.delimiter, said=layout.said)


def wire_columns(mapping: Mapping) -> Columns:
    return Columns(
        fields=mapping.fields, header=mapping.header, doubt=mapping.doubt, skip=mapping.skip, unsure=mapping.unsure
    )


def columns_of_request(wanted: MapColumns, known: Columns | None) -> Columns:
    """The columns as a person says them. `known`: as they are so far. Raises Refusal(INVALID_PARAMS)."""
    skip, unsure, known = wanted.skip, wanted.unsure, known or Columns(fields=(), header=wanted.header)
    if unsure is None:
        unsure = still_unsure(known.unsure, known.fields, wanted.fields)
    if max(unsure, default=0) > len(wanted.fields):
        raise misfit("unsure", f"there are {len(wanted.fields)} columns")
    return Columns(
        fields=wanted.fields, header=wanted.header, skip=known.skip if skip is None else skip, unsure=unsure
    )


def mapping_of(columns: Columns) -> Mapping:
    """Raises Refusal(INVALID_PARAMS) for columns that no list can have."""
    try:
        return Mapping(fields=columns.fields, header=columns.header, skip=columns.skip, unsure=columns.unsure)
    except ValueError as error:
        raise misfit("fields", str(error).removeprefix("fields: ")) from None


def wire_counts(counts: Counts | None) -> ImportCounts | None:
    if counts is None:
        return None
    return ImportCounts(leads=counts.leads, duplicates=counts.duplicates, invalid=counts.invalid)


def wire_preview(id: str, preview: Preview) -> ImportPreview:
    """A preview of an import, as it is answered."""
    return ImportPreview(
        import_id=id,
        layout=wire_layout(preview.layout),
        columns=wire_columns(preview.mapping),
        rows=tuple(PreviewRow(number=row.number, cells=shortened(row.cells, SHOWN)) for row in preview.rows),
        expected=wire_counts(preview.counts),
        invalid=tuple(
            PreviewProblem(row=row.row, field=row.field, code=row.code, reason=row.reason) for row in preview.invalid
        ),
    )
