"""An empty task on the notify queue: what Celery itself costs. A notifier `--include`s this module."""

from pipeline.celery import NOTIFY_QUEUE, app

app.conf.task_routes = {"bench_noop": {"queue": NOTIFY_QUEUE}, **app.conf.task_routes}


@app.task(name="bench_noop")
def bench_noop(post_id: int, user_id: int) -> None:
    """Nothing, with the arguments of notify_user."""
