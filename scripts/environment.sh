# Sourced by scripts/start and scripts/test, in the project's root.

# Prints the Python to build .venv with. PYTHON=/path/to/python chooses one.
# 3.12 and 3.11 come first: for them there are wheels of everything.
find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3.12 python3.11 python3.13 python3 python; do
        if "$candidate" -c 'import sys, sqlite3, ssl, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    echo "crawlpush needs Python 3.11 or later, and found none on PATH. Install one (Debian, Ubuntu: apt install" \
        "python3 python3-venv; macOS: brew install python@3.12), or name it: PYTHON=/path/to/python3 $0" >&2
    return 1
}

# prepare LOCK_FILE: makes .venv, or repairs or updates it; takes no time when nothing changed.
prepare() {
    python=$(find_python) || exit 1
    "$python" -I scripts/environment.py "$1" || exit 1
}
