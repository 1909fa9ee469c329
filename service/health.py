"""Whether the service is alive, and whether it is ready for work."""

from flask import Blueprint, Response, jsonify

from classifier.cleaning import Cleaner


def health_routes(cleaner: Cleaner) -> Blueprint:
    """Return the routes that an orchestrator asks; a service with a cleaner is ready."""
    routes = Blueprint("health", __name__)

    @routes.get("/livez")
    def live() -> Response:
        return jsonify(status="ok")

    @routes.get("/readyz")
    def ready() -> Response:
        return jsonify(status="ok", model=cleaner.model.identifier)

    return routes
