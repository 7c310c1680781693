"""What goes in and out about users, sign-ins and oneself, as OpenAPI describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from api.access import Role
from api.listing import Words
from api.schemas import Said, Shown

UserRole = Literal["viewer", "sro", "admin", "tester"]
Password = Annotated[str, StringConstraints(max_length=1000), WithJsonSchema({"type": "string", "format": "password"})]
CampusIds = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")]],
    Field(min_length=1, max_length=1000),
]


class UserShown(Shown):
    """A person who signs in. `campuses` null: all of them."""

    id: int
    name: str
    role: Role
    campuses: list[str] | None
    has_password: bool = Field(description="False: this person signs in through the provider alone.")
    has_totp: bool = Field(description="Whether a code from a phone is asked for, too.")
    created_at: datetime
    last_used_at: datetime | None
    disabled_at: datetime | None


class UserSaid(Said):
    """A user to make. Without a password they sign in through the provider, by this name (their e-mail address)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"name": "reyes@district.example", "role": "sro", "password": "four words nobody combines"}
        },
    )
    name: Words = Field(min_length=1, max_length=100)
    role: UserRole
    password: Password | None = None
    campuses: CampusIds | None = None


class UserChange(Said):
    """What is to be different about a user; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"role": "viewer"}})
    role: UserRole | None = None
    campuses: CampusIds | None = None
    all_campuses: Literal[True] | None = Field(default=None, description="Lift the limit to some campuses.")
    password: Password | None = None
    disabled: bool | None = None
    totp: Literal["off"] | None = Field(default=None, description="Forget the phone of somebody who has lost it.")


class Myself(Shown):
    """Who asks."""

    kind: Literal["token", "user"]
    name: str
    role: Role
    campuses: list[str] | None
    may: list[str]


class SessionShown(Shown):
    """A sign-in that is not over. `here`: the one that asks."""

    id: int
    created_at: datetime
    until: datetime
    address: str
    here: bool


class PasswordSaid(Said):
    """One's own password, the old and the new."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"present": "the old one, in full", "new": "four words nobody combines"}},
    )
    present: Password
    new: Password


class ProofSaid(Said):
    """One's own password, before something that must not happen behind one's back."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"password": "the one you sign in with"}})
    password: Password


class TotpOffered(Shown):
    """A fresh secret for an app; it counts once it is sent back with a code."""

    secret: str
    address: str = Field(description="What an app reads from a picture: `otpauth://…`.")


class TotpSaid(ProofSaid):
    """The secret that was offered, and the code that the app shows for it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "password": "the one you sign in with",
                "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
                "code": "123456",
            }
        },
    )
    secret: str = Field(pattern=r"^[A-Z2-7]{32}$")
    code: str = Field(pattern=r"^[0-9 ]{6,8}$")
