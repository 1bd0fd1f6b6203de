"""The work: every slot, call, campaign, trunk, script and pipeline is an actor here."""
