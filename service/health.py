"""Whether the service is alive, and whether it is ready for work."""

from flask import Blueprint, Response, jsonify

from service.docs import describes
from service.schema import Health
from service.serving import Serving


def health_routes(serving: Serving) -> Blueprint:
    """Return the routes that an orchestrator asks; a service that has a model is ready."""
    routes = Blueprint("health", __name__)

    @routes.get("/livez")
    @describes(answer=Health)
    def live() -> Response:
        """Whether the service is alive."""
        return jsonify(status="ok")

    @routes.get("/readyz")
    @describes(answer=Health)
    def ready() -> Response:
        """Whether the service is ready for work, and with which model."""
        return jsonify(status="ok", model=serving.cleaner().model.identifier)

    return routes
