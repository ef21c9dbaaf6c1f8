"""`python -m scripts.gateway`: the gateway without the rest of the command line."""

from scripts.commands.gateway import gateway

gateway()
