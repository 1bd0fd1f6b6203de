"""`python -m tests.mutants.hunt FIRST LAST`: play seeds until one is caught, told as JSON; exit code 1: none."""

import json
import sys

from simulators.world.schedule import play


def main(first: int, last: int) -> int:
    for seed in range(first, last):
        try:
            violations = play(seed).violations
        except Exception as error:  # noqa: BLE001  a world that cannot be played to its end is caught as well
            print(json.dumps({"seed": seed, "by": f"schedules: {type(error).__name__}"}))
            return 0
        if violations:
            print(json.dumps({"seed": seed, "by": f"schedules: {violations[0].kind}"}))
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
