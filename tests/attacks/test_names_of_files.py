"""What a step or a phone names its files says nothing but a name to a browser that keeps them."""

from aiohttp.multipart import content_disposition_filename, parse_content_disposition

from gateway.answers import attachment

ODD = (
    'a"b.bin', 'a"; filename="b.html', "a\"; filename*=UTF-8''b.html", "c;d.bin", "h ü 漢.bin", "%0d%0aX: y.bin",
    "e\\.bin", "", " l.bin", "a\r\nX: y", "half \ud800.bin", "plain-1.2_3 4.apk", "x" * 250,
)  # fmt: skip


def test_a_name_of_a_file_is_a_name_and_nothing_else() -> None:
    for name in ODD:
        head = attachment(name)
        kind, params = parse_content_disposition(head)
        assert kind == "attachment" and head.isascii() and head.isprintable(), head
        assert set(params) in ({"filename"}, {"filename", "filename*"}), head
        assert content_disposition_filename(params) == name.encode(errors="replace").decode(), (name, head)
    print(f"{len(ODD)} odd names")
