"""Scripts that drive apps on phones: what they say, what they see, and what they do next."""
