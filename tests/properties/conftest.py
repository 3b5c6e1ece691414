"""How many histories are tried: a few by default, many with HYPOTHESIS_PROFILE=long."""

import os

from hypothesis import HealthCheck, Phase, settings

SLOW_MACHINE = [HealthCheck.too_slow]

settings.register_profile(
    "short", max_examples=60, deadline=None, suppress_health_check=SLOW_MACHINE
)
settings.register_profile(
    "long", max_examples=3000, deadline=None, suppress_health_check=SLOW_MACHINE
)
settings.register_profile(
    "control",
    max_examples=1000,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    report_multiple_bugs=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
