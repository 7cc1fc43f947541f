"""`python -m rerank_plugins` is `rerank-plugins`."""

import sys

from rerank_plugins.cli import main

if __name__ == "__main__":
    sys.exit(main())
