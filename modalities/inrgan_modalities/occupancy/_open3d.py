"""The open3d library, which has no package for some machines."""

from typing import Any

from inrgan.errors import MissingDependency


def load_open3d(*, why: str) -> Any:
    """The open3d library.

    Raises:
        MissingDependency: open3d, or a system library that it needs, is not installed.
    """
    try:
        import open3d
    except ImportError as error:
        raise MissingDependency("open3d", extra="occupancy", why=why) from error
    except OSError as error:  # its shared libraries lack one of the system, such as libusb-1.0
        raise MissingDependency(f"open3d and its system libraries ({error})", extra="occupancy", why=why) from error
    # It prints remarks on stdout, which may be a result of the command line.
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    return open3d
