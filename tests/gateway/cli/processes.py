"""Looking at processes by their numbers."""

import psutil


def gone(pid: int) -> bool:
    """Whether a process has ended, also when its parent has not waited for it yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
