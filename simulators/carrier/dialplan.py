"""The carrier's rules as a dialplan, for a real Asterisk that plays the far end of a trunk. Pure."""

from simulators.carrier.rules import CLEARING, OTHERWISE, RULES, Plan, Step

CONTEXT = "carrier"


def carrier_dialplan(scale: float = 1.0) -> str:
    """`extensions.conf` in which a called number behaves as `carrier.RULES` say. `scale` 0.1 is ten times as fast."""
    lines = [f"[{CONTEXT}]", "exten => _[+0-9]!,1,Goto(endings,${EXTEN:-4},1)", "", "[endings]"]
    for rule in RULES:
        if "nn" not in rule.ending:
            lines += _extension(rule.ending, rule.plan(0), scale)
            continue
        for nn in range(100):
            lines += _extension(rule.ending.replace("nn", f"{nn:02}"), rule.plan(nn), scale)
    lines += _extension("_XXXX", OTHERWISE, scale)
    return "\n".join(lines) + "\n"


def _extension(name: str, plan: Plan, scale: float) -> list[str]:
    steps, past = [], 0.0
    for planned in plan:
        pause = round((planned.after - past) * scale, 3)
        past = planned.after
        if pause > 0:
            steps.append(f"Wait({pause:g})")
        match planned.step:
            case Step.ALERT:
                steps.append("Ringing()")
            case Step.ANSWER:
                steps.append("Answer()")
            case Step.END:
                assert planned.cause is not None
                steps.append(f"Hangup({CLEARING[planned.cause].q850})")
    if not steps[-1].startswith("Hangup"):
        steps.append("Wait(86400)")  # talks until somebody hangs up
    first, *rest = steps
    return [f"exten => {name},1,{first}", *(f" same => n,{step}" for step in rest)]
