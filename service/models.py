"""/v1/models: the versions in the store, and which of them answers."""

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import Conflict, NotFound

from classifier.errors import ModelError
from classifier.registry import ModelStore
from classifier.resources import default_model
from classifier.store import ModelCard, load_card
from service.auth import guarded
from service.docs import describes
from service.schema import Version, VersionList
from service.serving import Serving
from service.settings import Settings


def models_routes(serving: Serving, settings: Settings) -> Blueprint:
    """Return the routes for versions and roll-back."""
    routes = Blueprint("models", __name__)
    store = ModelStore(settings.store) if settings.store else None

    @routes.get("/v1/models")
    @describes(answer=VersionList)
    def list_models() -> Response:
        """List the models, oldest first."""
        in_use = serving.cleaner().model.identifier
        cards = store.cards() if store else [load_card(settings.model or default_model())]
        return jsonify(models=[_described(card, in_use) for card in cards])

    @routes.post("/v1/models/<identifier>/use")
    @describes(answer=Version, errors=(404, 409, 503), guarded=True, parameters={"identifier": "Id of the model."})
    @guarded(settings)
    def use_model(identifier: str) -> Response:
        """Take a model into use, in every worker within two seconds and without a restart."""
        assert store is not None
        if not serving.follows_store:
            raise Conflict("WINNOW_MODEL names the model that this service uses; start it without to choose one here.")
        try:
            card = load_card(store.path(identifier))
        except ModelError as error:
            raise NotFound("There is no such model; GET /v1/models lists those that there are.") from error
        try:
            store.use(identifier)
        except ModelError as error:
            raise Conflict("The model is damaged and was not taken into use; train it anew.") from error
        serving.refresh()
        return jsonify(_described(card, identifier))

    return routes


def _described(card: ModelCard, in_use: str) -> dict[str, object]:
    return {
        "id": card.identifier,
        "created": card.created,
        "in_use": card.identifier == in_use,
        "seeds": card.seeds,
        "figures": card.figures,
    }
