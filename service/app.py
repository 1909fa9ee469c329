"""The application factory: it wires the service and does nothing else."""

from flask import Flask, Response, g, request
from flask.json.provider import DefaultJSONProvider

from classifier.cleaning import Cleaner
from classifier.registry import ModelStore
from service.clean import clean_routes
from service.deadlines import Deadline, Deadlines
from service.docs import docs_routes
from service.errors import HEADERS, register_errors
from service.health import health_routes
from service.logs import register_logs
from service.metrics import Metrics, metrics_routes, register_metrics
from service.models import models_routes
from service.seeds import seeds_routes
from service.serving import Serving
from service.settings import Settings
from service.training import training_routes


class _JSON(DefaultJSONProvider):
    ensure_ascii = True  # half a surrogate pair in a text survives as an escape; in UTF-8 it could not
    sort_keys = False


def create_app(settings: Settings | None = None, cleaner: Cleaner | None = None) -> Flask:
    """Return the service, by default set up from the environment.

    `cleaner` takes the place of the model that the settings name. Raises SettingsError and ModelError, so that what
    cannot work does not start.
    """
    settings = settings or Settings.from_environment()
    store = ModelStore(settings.store) if settings.store else None
    serving = Serving(settings.model, store, cleaner)
    metrics = Metrics()
    app = Flask(__name__, static_folder=None)
    app.json = _JSON(app)
    register_logs(app)
    _register_deadlines(app, settings.request_seconds)
    register_errors(app)
    register_metrics(app, metrics, serving)
    _register_headers(app)
    app.register_blueprint(clean_routes(serving, settings, metrics))
    app.register_blueprint(seeds_routes(settings))
    app.register_blueprint(training_routes(serving, settings))
    app.register_blueprint(models_routes(serving, settings))
    app.register_blueprint(health_routes(serving))
    app.register_blueprint(metrics_routes(metrics, serving))
    app.register_blueprint(docs_routes())
    return app


def _register_deadlines(app: Flask, seconds: float) -> None:
    deadlines = Deadlines()

    @app.before_request
    def begin() -> None:
        g.deadline = Deadline(request.environ.get("gunicorn.socket"), seconds)
        deadlines.watch(g.deadline)

    @app.after_request
    def end(response: Response) -> Response:
        deadline = g.deadline
        response.call_on_close(lambda: deadlines.forget(deadline))
        return response


def _register_headers(app: Flask) -> None:
    @app.after_request
    def add(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response
