"""A call: from the accepted attempt to its one terminal event."""
