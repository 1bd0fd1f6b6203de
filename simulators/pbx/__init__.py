"""PBXs: a virtual one, reached over AMI, and a simulated one, in simulated time."""
