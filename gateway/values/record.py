"""Frozen values that are made many times for one request."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, whose freezing the type checker alone guards: at run time it would
    cost more than all the rest of making the object, and a USSD hop makes ten."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
