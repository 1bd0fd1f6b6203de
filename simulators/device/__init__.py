"""What simulated phones and PBXs share: the way to a device, and the book that it keeps for the judge."""
