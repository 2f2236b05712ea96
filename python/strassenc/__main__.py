"""`python -m strassenc`."""

from ._cli import main

main()
