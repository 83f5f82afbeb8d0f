"""`python -m dialtone` is the command `dialtone`."""

from dialtone.cli import main

main()
