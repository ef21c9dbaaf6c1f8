"""`python -m scripts.from_stdin`: a command of crawlpush whose words come as a JSON list on standard input.

For the HTTP API: an address may hold a password, and every user of a machine can read the words of a process.
"""

import json
import sys

from scripts.cli import main

if __name__ == "__main__":
    main([str(word) for word in json.load(sys.stdin)], prog_name="crawlpush")
