"""Another user of the machine who listens where a server of the site should, as a program that needs nothing but
Python: `python -I - PORT COUNT GREETING ADDRESS < this`. Greets as the server does, and prints what it hears of so many
connections. `::` takes those to 127.0.0.1 too.
"""

import socket
import sys

address = (sys.argv[4], int(sys.argv[1]))
family = socket.AF_INET6 if ":" in sys.argv[4] else socket.AF_INET
with socket.create_server(address, family=family, dualstack_ipv6=sys.argv[4] == "::") as listening:
    print("listening", flush=True)
    for _ in range(int(sys.argv[2])):
        wire, _ = listening.accept()
        with wire:
            wire.settimeout(3)
            if sys.argv[3]:
                wire.sendall(sys.argv[3].encode() + b"\r\n")
            try:
                print(wire.recv(65536), flush=True)
            except OSError as error:
                print(repr(error), flush=True)
