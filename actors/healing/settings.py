"""The settings of healing."""

from pathlib import Path

from msgspec import Struct

from actors.healing.policy import BUILT_IN, Policy, policy_in


class Healing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`policy`: the file that says what is done about phones that are not well; empty: the one that comes with the
    program. `dry_run`: whatever that says, it is only told what would be done. `enabled` false: nothing is, and no
    phone is called hot or empty."""

    enabled: bool = True
    policy: str = ""
    dry_run: bool = False

    def read(self) -> Policy:
        """Raises SettingsError, which names the file and the place."""
        policy = policy_in(Path(self.policy) if self.policy else BUILT_IN)
        return policy.but_dry() if self.dry_run else policy
