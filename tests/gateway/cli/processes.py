"""Looking at processes by their numbers."""

import psutil


def gone(pid: int) -> bool:
    """Whether a process has ended, also when nobody has taken notice of its end yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
