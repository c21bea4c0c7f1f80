"""What this machine is: results of two machines never mix, so every run carries its machine's fingerprint."""

import hashlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """Return what makes timings comparable: processor, cores, memory, system, Python. No names, no addresses."""
    import psutil

    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "virtual": _virtual(),
    }


def fingerprint(description: dict[str, Any]) -> str:
    """Return the hash by which a machine is known again."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]


def other_load(seconds: float = 0.3) -> float:
    """Return the share of the processor, 0 to 1, that was busy during `seconds` while this process slept."""
    import psutil

    before = psutil.cpu_times()
    time.sleep(seconds)
    after = psutil.cpu_times()
    spent = [b - a for a, b in zip(before, after, strict=True)]
    total = sum(spent)
    idle = after.idle - before.idle + getattr(after, "iowait", 0.0) - getattr(before, "iowait", 0.0)
    return max(0.0, min(1.0, 1 - idle / total)) if total else 0.0


def fast_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 itself (AVX-512 BF16 or AMX on x86, BF16 on Arm)."""
    try:
        with open("/proc/cpuinfo") as file:
            words = set(file.read().split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def cache_folder() -> Path:
    """Return the folder for downloads and environments: QUINTET_CACHE, else the platform's; it need not exist yet."""
    if named := os.environ.get("QUINTET_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "quintet" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "quintet"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quintet"


def config_folder() -> Path:
    """Return the folder for what this user keeps: QUINTET_CONFIG, else the platform's; it need not exist yet."""
    if named := os.environ.get("QUINTET_CONFIG"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming")) / "quintet"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "quintet"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "quintet"


def cores() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _virtual() -> bool | None:
    try:
        with open("/proc/cpuinfo") as file:
            return " hypervisor" in file.read()
    except OSError:
        return None


def _first_line(path: str) -> str | None:
    try:
        with open(path) as file:
            return file.readline().strip()
    except OSError:
        return None
