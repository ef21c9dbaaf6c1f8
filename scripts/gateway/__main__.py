"""`python -m scripts.gateway`: the gateway without the rest of the command line."""

from scripts.gateway.command import gateway

gateway()
