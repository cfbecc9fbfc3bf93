"""How groups of commands and commands are declared: their examples, and a sentence for what fails."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from gateway.cli.failures import report_failures

Act = TypeVar("Act", bound=Callable[..., None])
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@contextmanager
def without_collector() -> Iterator[None]:
    """Import much: while nothing looks for garbage it takes three quarters of the time, and makes none."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class Reported(TyperCommand):
    """A command whose failures end it with a sentence and an exit status."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer keeps these types private
        """Run it."""
        with report_failures():
            return super().invoke(ctx)


def group(help: str, *, cls: type[TyperGroup] | None = None) -> typer.Typer:
    """Commands about one thing."""
    return typer.Typer(cls=cls, help=help, no_args_is_help=True, rich_markup_mode=None)


def command(app: typer.Typer, name: str, *examples: str, help: str | None = None) -> Callable[[Act], Act]:
    """A command of a group. `examples`: command lines; `help`: in place of the docstring."""
    return app.command(name, cls=Reported, help=help, epilog=example(*examples))


def example(*lines: str) -> str:
    """Command lines to show under a command's help, each on a line of its own."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
