"""`python -m scripts.board`: the demo board without the rest of the command line."""

from scripts.commands.board import board

board()
