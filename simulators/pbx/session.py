"""One AMI connection: actions come in, responses and events go out."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

LINE_LIMIT, HEADERS_LIMIT = 1024, 128


@dataclass(eq=False)
class Session:
    """One AMI connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    logged_in: bool = False

    def send(self, lines: Mapping[str, str]) -> None:
        text = "".join(f"{key}: {value}\r\n" for key, value in lines.items()) + "\r\n"
        if not self.writer.is_closing():
            self.writer.write(text.encode())

    async def read(self) -> list[tuple[str, str]] | None:
        """One action, None at the end. The real one takes a bare LF for a line's end too, and so do we."""
        fields: list[tuple[str, str]] = []
        while line := await self.reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if len(line) > LINE_LIMIT:
                self.send({"Response": "Error", "Message": "Failed to parse message: line too long"})
                return None
            if not text:
                if fields:
                    return fields
                continue
            key, _, value = text.partition(":")
            fields.append((key.strip().lower(), value.strip()))
            if len(fields) > HEADERS_LIMIT:
                self.send({"Response": "Error", "Message": "Too many lines in message or allocation failure"})
                return None
        return None
