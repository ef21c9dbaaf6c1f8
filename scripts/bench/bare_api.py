"""FastAPI on uvicorn with one answer that does nothing: what the framework itself costs."""

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/bare")
def bare() -> dict[str, int]:
    """A plain function on the pool of threads, as all of ours are."""
    return {"badge": 0}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), http="httptools", log_level="warning", access_log=False)
