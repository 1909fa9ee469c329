"""The application factory: it wires the service and does nothing else."""

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from classifier.cleaning import Cleaner
from service.clean import clean_routes
from service.errors import register_errors
from service.health import health_routes
from service.settings import Settings


class _JSON(DefaultJSONProvider):
    ensure_ascii = True  # half a surrogate pair in a text survives as an escape; in UTF-8 it could not
    sort_keys = False


def create_app(settings: Settings | None = None, cleaner: Cleaner | None = None) -> Flask:
    """Return the service, by default set up from the environment and with the model that its settings name.

    Raises SettingsError and ModelError, so that what cannot work does not start.
    """
    settings = settings or Settings.from_environment()
    cleaner = cleaner or Cleaner.load(settings.model)
    app = Flask(__name__, static_folder=None)
    app.json = _JSON(app)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    register_errors(app)
    app.register_blueprint(clean_routes(cleaner))
    app.register_blueprint(health_routes(cleaner))
    return app
