"""Which statements PostgreSQL would answer by reading a large table from one end to the other."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

# From so many rows on a table is one that grows.
LARGE: Final = 5_000
# About what PostgreSQL adds for planning a statement of ours once more.
_PLANNING_COST: Final = 20.0


@dataclass
class Recorder:
    """Every statement that an engine sent, with the parameters that it was sent with last."""

    sent: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    @contextmanager
    def listening(self, engine: AsyncEngine) -> Iterator[None]:
        """Record what is sent in here."""

        def keep(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
            self.sent[statement] = tuple(parameters)

        event.listen(engine.sync_engine, "before_cursor_execute", keep)
        try:
            yield
        finally:
            event.remove(engine.sync_engine, "before_cursor_execute", keep)


@dataclass
class Planner:
    """Asks for plans. `large`: tables, partitions and indexes with many rows."""

    connection: asyncpg.Connection
    large: frozenset[str]

    @classmethod
    async def of(cls, connection: asyncpg.Connection) -> "Planner":
        large = await connection.fetch(
            "select relname from pg_class where relkind in ('r', 'i') and reltuples >= $1", LARGE
        )
        return cls(connection, frozenset(row[0] for row in large))

    async def become(self, role: str, organiser: str = "") -> None:
        """Ask as this role from now on: which rows it may see is part of its plans."""
        await self.connection.execute(
            "select set_config('role', $1, false), set_config('app.organiser', $2, false)", role, organiser
        )

    async def all_whole_reads(self, sent: Mapping[str, tuple[Any, ...] | None]) -> dict[str, set[str]]:
        """Of statements with their parameters, those that read a table whole, with its name."""
        found = {statement: await self.whole_reads(statement, parameters) for statement, parameters in sent.items()}
        return {statement: tables for statement, tables in found.items() if tables}

    async def whole_reads(self, statement: str, parameters: tuple[Any, ...] | None) -> set[str]:
        """Tables that are read whole by the plan for these parameters, or by the one for any, where PostgreSQL takes
        that: it does after five times, unless planning each time is cheaper. `parameters` None: for any alone."""
        plans = [await self.generic(statement)]
        if parameters is not None:
            own = _plan(await self.connection.fetchval(f"explain (format json) {statement}", *parameters))
            plans = [own, *(plan for plan in plans if plan["Total Cost"] <= own["Total Cost"] + _PLANNING_COST)]
        return {found for plan in plans for found in self._of(plan, limited=False)}

    async def generic(self, statement: str) -> Mapping[str, Any]:
        """The plan for any parameters, with the table of each column."""
        await self.connection.execute(f"set plan_cache_mode = force_generic_plan; prepare any_other as {statement}")
        try:
            many: int = await self.connection.fetchval(
                "select cardinality(parameter_types) from pg_prepared_statements where name = 'any_other'"
            )
            nulls = f"({', '.join(['null'] * many)})" if many else ""
            return _plan(await self.connection.fetchval(f"explain (verbose, format json) execute any_other{nulls}"))
        finally:
            await self.connection.execute("deallocate any_other; reset plan_cache_mode")

    def _of(self, node: Mapping[str, Any], *, limited: bool) -> Iterator[str]:
        kind, table = str(node["Node Type"]), str(node.get("Relation Name", ""))
        index = str(node.get("Index Name", ""))
        if kind == "Seq Scan" and table in self.large:
            yield f"{table} by {kind}"
        # In the order of an index, to its end, unless a limit ends it that no filter keeps from being reached.
        if index in self.large and "Index Cond" not in node and ("Filter" in node or not limited):
            yield f"all of {index}"
        for below in node.get("Plans", ()):
            yield from self._of(below, limited=kind == "Limit" or (limited and kind != "Sort"))


def _plan(explained: str) -> Mapping[str, Any]:
    plan: Mapping[str, Any] = orjson.loads(explained)[0]["Plan"]
    return plan
