"""`spotlight migrate`, which each start of `spotlight up` waits for: it imports little."""

from gateway.runtime.settings import Settings, SettingsError
from gateway.storage import migrate as migrations


async def migrate(settings: Settings) -> None:
    """Bring the schema to its newest state, as its owner. Raises SettingsError."""
    try:
        await migrations.migrate(settings.migration_url)
    except migrations.UnknownSchema as error:
        raise SettingsError(str(error)) from None
