"""Import this before aiogram: its models are then built when they are first used.

aiogram builds all of its 400 models when it is imported, which takes two seconds of a processor; the bot uses a tenth
of them. It imports the types that a model names for type checkers only and hands their names to `model_rebuild`. Here
that call is skipped, and the names are put into the modules of the models, where pydantic looks for them itself.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel


@contextmanager
def _built_when_used() -> Iterator[None]:
    named: dict[str, Any] = {}
    modules: set[str] = set()
    rebuild = BaseModel.__dict__["model_rebuild"]

    def postponed(model: type[BaseModel], /, **options: Any) -> bool | None:  # noqa: ANN401 - pydantic's own
        if model.__module__.startswith("aiogram.types.") and "_types_namespace" in options:
            named.update(options["_types_namespace"])
            modules.add(model.__module__)
            return None
        return bool(rebuild.__get__(None, model)(**options))

    BaseModel.model_rebuild = classmethod(postponed)  # type: ignore[assignment, method-assign] # until aiogram is imported
    try:
        yield
    finally:
        BaseModel.model_rebuild = rebuild  # type: ignore[method-assign] # pydantic's own again
    for module in modules:
        vars(sys.modules[module]).update({**named, **vars(sys.modules[module])})


with _built_when_used():
    import aiogram.types  # noqa: F401 - imported for its models
