"""Socket.IO: what clients hear, and how it reaches them."""
