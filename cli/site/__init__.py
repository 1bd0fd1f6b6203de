"""The site on this machine: the processes that `ottb up` starts, and what commands beside it know of them."""
