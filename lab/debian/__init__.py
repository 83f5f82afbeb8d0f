"""Programs of another Debian suite, unpacked beside the system instead of installed into it.

Debian 12 and 13 carry no Asterisk. Its packages are in sid, an older series in bullseye; this package
fetches them with all that they need, libc included, into the cache folder and runs them through that
folder's own loader. The system's packages, lists and package database are only read.
"""

from lab.debian.bundle import BUNDLES, Bundle, default_cache
from lab.debian.store import Unpacked, ensure, unpacked

__all__ = ["BUNDLES", "Bundle", "Unpacked", "default_cache", "ensure", "unpacked"]
