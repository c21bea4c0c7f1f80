"""How much memory this process has held, in MiB."""

import resource
import sys


def peak_mib():
    """Return the largest resident size of this process so far.

    Linux: VmHWM, which starts anew at exec; ru_maxrss would also count what the parent held when it forked.
    """
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024.0
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024.0 / (1024.0 if sys.platform == "darwin" else 1.0)
