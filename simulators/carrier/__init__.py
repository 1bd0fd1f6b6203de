"""The carrier: how a called number behaves, for phones and trunks, virtual, simulated and real."""
