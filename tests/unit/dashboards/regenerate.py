"""`python -m tests.unit.dashboards.regenerate` writes dashboards/generated anew."""

import sys

from dashboards.build import write
from tests.unit.dashboards.catalogue import whole_catalogue

if __name__ == "__main__":
    for path in write(whole_catalogue()):
        sys.stderr.write(f"{path}\n")
