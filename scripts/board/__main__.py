"""`python -m scripts.board`: the demo board without the rest of the command line."""

from scripts.board.command import board

board()
