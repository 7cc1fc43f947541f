"""`python -m rerank_plugins` is `rerank-plugins`."""

from rerank_plugins.cli import console

if __name__ == "__main__":
    console()
