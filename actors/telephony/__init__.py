"""What calls and lines say to each other, and the half of a line that slots and trunks share."""
