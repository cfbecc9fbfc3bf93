"""Money as the API shows it."""

from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetPydanticSchema
from pydantic_core import core_schema

from gateway.http.endpoint import ApiModel
from gateway.values.money import Money


class Amount(ApiModel):
    """Money."""

    amount_minor: int = Field(
        serialization_alias="amount", title="Amount", description="In minor units; francs have none smaller."
    )
    currency: str


def _shown(money: Money) -> Amount:
    return Amount(amount_minor=money.amount_minor, currency=money.currency)


def _schema(source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:  # noqa: ANN401 - pydantic's own
    shown = core_schema.plain_serializer_function_ser_schema(_shown, return_schema=handler.generate_schema(Amount))
    return core_schema.is_instance_schema(source, serialization=shown)


ShownMoney = Annotated[Money, GetPydanticSchema(_schema)]
"""Money in a model that pages read too; the API shows it as an `Amount`."""
