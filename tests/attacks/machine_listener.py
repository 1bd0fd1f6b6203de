"""Another user of the machine who listens where a server of the site should, as a program that needs nothing but
Python: `python -I - PORT COUNT GREETING < this`. Greets as the server does, and prints what it hears of so many
connections.
"""

import socket
import sys

with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
    print("listening", flush=True)
    for _ in range(int(sys.argv[2])):
        wire, _ = listening.accept()
        with wire:
            wire.settimeout(3)
            wire.sendall(sys.argv[3].encode() + b"\r\n")
            try:
                print(wire.recv(65536), flush=True)
            except OSError as error:
                print(repr(error), flush=True)
