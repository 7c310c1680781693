"""Whether the service lives, whether it may be relied on, and its figures. Open to all: monitors have no sign-in."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.deps import Health, InHouse
from api.schemas import PartShown, Readiness

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Say that the process lives, whatever it stands on does."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Readiness, "description": "A part is not well"}})
async def ready(house: InHouse, response: Response) -> Readiness:
    """Say for broker, database and auditor whether it is well, since when, and in words what is wrong."""
    health = house.health()
    response.status_code = 200 if health.ok else 503
    return readiness(health)


@router.get("/metrics", response_class=Response)
async def metrics(house: InHouse) -> Response:
    """Return the figures as Prometheus reads them."""
    return Response(generate_latest(house.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})


def readiness(health: Health) -> Readiness:
    """Return how the service is, as it is shown."""
    parts = {name: PartShown(**part) for name, part in asdict(health).items()}
    return Readiness(ready=health.ok, parts=parts)
