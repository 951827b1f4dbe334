"""How Celery's workers take runs: dagster-celery reads this module, which has to be on the PYTHONPATH of a worker."""

# ruff: noqa: INP001 - a folder of one module, which is no package
import os

broker_url = os.environ["CELERY_BROKER_URL"]
result_backend = os.environ["CELERY_RESULT_BACKEND"]
worker_prefetch_multiplier = 1
"""A worker takes no run that it cannot begin: another one may be free."""
task_acks_late = True
"""As above. A run that was begun by a worker that is lost is not begun again: the next tick does its work."""
task_track_started = True
worker_max_tasks_per_child = 100
broker_connection_retry_on_startup = True
worker_redirect_stdouts = False
"""What a run prints is Dagster's to keep, and shows on its pages; Celery would put it into the worker's own log alone."""
