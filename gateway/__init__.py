"""The door: HTTP and Socket.IO in front of the bus."""
